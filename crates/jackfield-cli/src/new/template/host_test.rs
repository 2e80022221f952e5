//! The plugin, as the host calls it.

use __crate___interface::Greeter;
use jackfield::{Context, Handle, Manager};

#[tokio::test]
async fn the_plugin_greets() -> Result<(), Box<dyn std::error::Error>> {
    let manager = Manager::new();
    let context = Context::new("greeter", [("greeting".to_owned(), "Good morning".to_owned())]);
    let greeter: Handle<dyn Greeter> = manager.load_with(context, &__crate___plugin::PLUGIN).await?;
    assert_eq!(greeter.greet("world")?, "Good morning, world!");
    assert_eq!(greeter.greet("").unwrap_err().to_string(), "there is nobody to greet");
    Ok(())
}
