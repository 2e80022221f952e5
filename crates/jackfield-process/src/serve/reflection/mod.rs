//! Reflection, by which a host and its people learn what a plugin serves.
//!
//! Reading its own descriptors would be a large part of a plugin's start. So that waits until somebody asks for more than
//! a host does at each start, and then only for the version of reflection that is asked.

mod start;

use std::sync::{Arc, OnceLock};

use jackfield_core::Schema;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic_reflection::server::{Builder, Error};

use self::start::AtStart;
use super::named::Named;
use crate::grpc::generated::DESCRIPTORS;

/// Adds both versions of reflection, each of which tells of all services: those of the interfaces, those in `sets`, and
/// the wire's own.
///
/// # Errors
/// A set is none.
pub(super) fn reflect(
    named: Named,
    interfaces: Vec<&'static Schema>,
    sets: Vec<Vec<u8>>,
) -> Result<Named, Error> {
    let served = Arc::new(Served { interfaces, sets, descriptions: OnceLock::new() });
    if !served.sets.is_empty() {
        // The program's own, which may be wrong.
        served.builder().build_v1()?;
    }
    let later = Arc::clone(&served);
    let v1 = AtStart::new(Arc::clone(&served), Lazy::new(move || later.builder().build_v1()));
    let later = Arc::clone(&served);
    let v1alpha = AtStart::new(served, Lazy::new(move || later.builder().build_v1alpha()));
    Ok(named.add(v1).add(v1alpha))
}

/// What is served.
struct Served {
    interfaces: Vec<&'static Schema>,
    sets: Vec<Vec<u8>>,
    descriptions: OnceLock<Vec<&'static [u8]>>,
}

impl Served {
    /// A `FileDescriptorSet` of each interface, then of the program's own services and of the wire's. They stay for as
    /// long as the program runs, since newer versions of `tonic-reflection` give no service that outlives its builder.
    fn descriptions(&self) -> &[&'static [u8]] {
        self.descriptions.get_or_init(|| {
            let interfaces = self.interfaces.iter().map(|schema| set_of(&schema.to_file_descriptor()));
            let own = interfaces.chain(self.sets.iter().cloned()).map(|set| &*set.leak());
            let wire = [
                DESCRIPTORS,
                tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            ];
            own.chain(wire).collect()
        })
    }

    fn builder(&self) -> Builder<'static> {
        let builder = Builder::configure().include_reflection_service(false);
        let descriptions = self.descriptions().iter().copied();
        let builder = descriptions.clone().fold(builder, Builder::register_encoded_file_descriptor_set);
        // The file of an interface describes the objects of its methods too, which are served elsewhere.
        let names = self.interfaces.iter().map(|schema| schema.service.to_owned());
        let others = descriptions.skip(self.interfaces.len());
        names.chain(others.flat_map(services_in)).fold(builder, Builder::with_service_name)
    }
}

/// The full names of the services in a `FileDescriptorSet`. One that cannot be read is refused by whoever serves it.
fn services_in(set: &[u8]) -> Vec<String> {
    let files = FileDescriptorSet::decode(set).unwrap_or_default().file;
    let services = files.iter().flat_map(|file| {
        let package = file.package();
        file.service.iter().map(move |service| match package {
            "" => service.name().to_owned(),
            package => format!("{package}.{}", service.name()),
        })
    });
    services.collect()
}

/// A `FileDescriptorSet` of one file: that is field 1 of the message.
fn set_of(file: &[u8]) -> Vec<u8> {
    let mut set = vec![0x0a];
    prost::encoding::encode_varint(file.len() as u64, &mut set);
    set.extend_from_slice(file);
    set
}

/// A service that is made for its first request.
struct Lazy<S> {
    make: Arc<dyn Fn() -> Result<S, Error> + Send + Sync>,
    made: Arc<OnceLock<S>>,
}

impl<S: Clone> Lazy<S> {
    fn new(make: impl Fn() -> Result<S, Error> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), made: Arc::default() }
    }

    fn get(&self) -> Result<S, Error> {
        match self.made.get() {
            Some(service) => Ok(service.clone()),
            None => (self.make)().map(|service| self.made.get_or_init(|| service).clone()),
        }
    }
}

impl<S> Clone for Lazy<S> {
    fn clone(&self) -> Self {
        Self { make: Arc::clone(&self.make), made: Arc::clone(&self.made) }
    }
}
