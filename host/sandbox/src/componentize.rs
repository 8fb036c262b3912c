//! Core modules into components, with the bindings' metadata that `wit-bindgen` leaves in them.

/// A module that cannot be made a component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentizeError {
    #[error("not a WebAssembly module")]
    NotWasm,
    #[error("already a component")]
    AlreadyComponent,
    #[error("the module cannot be made a component: {0}; is it built for wasm32-unknown-unknown against the plugin's contract?")]
    Encode(String),
}

/// The component of a core module.
pub fn component(core: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    match crate::load::layer(core) {
        None => return Err(ComponentizeError::NotWasm),
        Some(crate::load::Layer::Component) => return Err(ComponentizeError::AlreadyComponent),
        Some(crate::load::Layer::Module) => {}
    }
    let encoded = wit_component::ComponentEncoder::default().validate(true).module(core).and_then(|e| e.encode());
    encoded.map_err(|e| ComponentizeError::Encode(format!("{e:#}")))
}
