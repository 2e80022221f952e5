//! JSON to protobuf messages and back, as an interface describes them.

use anyhow::{Context as _, anyhow, bail};
use jackfield::Bytes;
use jackfield::schema::{Descriptor, MethodDescriptor};
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

/// The messages of a method.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    request: MessageDescriptor,
    response: MessageDescriptor,
    signature: String,
}

impl Messages {
    /// Those of a method of an interface.
    pub(crate) fn new(interface: &Descriptor, method: &MethodDescriptor) -> anyhow::Result<Self> {
        for (message, does) in [(&method.request, "takes"), (&method.response, "answers with")] {
            let fields = interface.message(message).map_or(&[][..], |message| &message.fields);
            if let Some(object) = fields.iter().find(|field| !field.interface.is_empty()) {
                let (method, object) = (&method.name, &object.interface);
                bail!("`{method}` {does} an object of `{object}`, which only a program can hold");
            }
        }
        let mut pool = DescriptorPool::new();
        let files = interface.files.iter().map(|file| FileDescriptorProto::decode(file.clone()));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        pool.add_file_descriptor_protos(files).context("the plugin describes its interface wrongly")?;
        let find = |name: &str| {
            pool.get_message_by_name(name).with_context(|| format!("the message `{name}` is not described"))
        };
        let (request, response) = (find(&method.request)?, find(&method.response)?);
        Ok(Self { request, response, signature: interface.signature(method) })
    }

    /// The requests in a text: JSON objects, one after the other.
    pub(crate) fn requests(&self, text: &str) -> anyhow::Result<Vec<Bytes>> {
        let mut requests = Vec::new();
        for object in serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>() {
            let object = object.map_err(|error| self.unread(&error))?;
            let message = DynamicMessage::deserialize(self.request.clone(), object);
            requests.push(message.map_err(|error| self.unread(&error))?.encode_to_vec().into());
        }
        Ok(requests)
    }

    fn unread(&self, error: &serde_json::Error) -> anyhow::Error {
        anyhow!("the request cannot be read: {error}\n(hint: the method is {})", self.signature)
    }

    /// A response as a JSON object.
    pub(crate) fn response(&self, message: Bytes) -> anyhow::Result<String> {
        let message = DynamicMessage::decode(self.response.clone(), message)
            .context("the response is not what the plugin describes")?;
        let mut json = serde_json::Serializer::new(Vec::new());
        let options = SerializeOptions::new().skip_default_fields(false).use_proto_field_name(true);
        message.serialize_with_options(&mut json, &options)?;
        Ok(String::from_utf8(json.into_inner())?)
    }
}
