//! A file into a plugin: read, compiled or taken from the cache, its imports and exports held against the contract, and
//! asked what it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_record::{Plugin, PluginKind, Schemas, Wake};
use wasmtime::component::Component;

use crate::bindings::types;
use crate::engine::{Inner, Sandbox};
use crate::error::LoadError;
use crate::grants::{self, VERSION};
use crate::instance::{Instance, Maker, WorldPre};
use crate::plugin::ComponentPlugin;
use crate::state::Owner;
use crate::wit;

/// What a WebAssembly file holds.
pub(crate) enum Layer {
    Module,
    Component,
}

/// None: not WebAssembly.
pub(crate) fn layer(wasm: &[u8]) -> Option<Layer> {
    match (wasm.get(..4)?, wasm.get(6..8)?) {
        (b"\0asm", [0, 0]) => Some(Layer::Module),
        (b"\0asm", [1, 0]) => Some(Layer::Component),
        _ => None,
    }
}

/// A plugin, and the file that it was loaded from.
#[derive(Clone)]
pub struct Loaded {
    pub plugin: Arc<dyn Plugin>,
    pub file: PathBuf,
    /// Of the component, in hexadecimal digits.
    pub sha256: String,
    pub bytes: u64,
}

impl Sandbox {
    /// Loads one component.
    pub async fn load(&self, file: &Path, schemas: &Arc<Schemas>) -> Result<Arc<dyn Plugin>, LoadError> {
        Ok(self.load_file(file, schemas).await?.plugin)
    }

    /// Loads one component, and says what file it was.
    pub async fn load_file(&self, file: &Path, schemas: &Arc<Schemas>) -> Result<Loaded, LoadError> {
        let (inner, path) = (self.inner.clone(), file.to_owned());
        let opened = tokio::task::spawn_blocking(move || Opened::open(&inner, &path));
        let opened = opened.await.map_err(|e| LoadError::Compile(e.to_string()))??;
        let (sha256, bytes) = (opened.key.sha256().to_owned(), opened.bytes);
        let plugin = opened.describe(&self.inner, file, schemas).await?;
        Ok(Loaded { plugin, file: file.to_owned(), sha256, bytes })
    }
}

/// A component that fits the contract, not yet asked what it is.
struct Opened {
    component: Component,
    kind: PluginKind,
    needs: Vec<grants::Need>,
    installed: Vec<String>,
    key: crate::cache::Key,
    bytes: u64,
    info: Option<types::PluginInfo>,
}

impl Opened {
    fn open(inner: &Inner, file: &Path) -> Result<Opened, LoadError> {
        let wasm = std::fs::read(file)?;
        match layer(&wasm) {
            None => return Err(LoadError::NotWasm),
            Some(Layer::Module) => return Err(LoadError::CoreModule),
            Some(Layer::Component) => {}
        }
        let key = inner.cache.key(&wasm);
        let (component, info) = match inner.cache.get(&inner.engine, &key) {
            Some(hit) => (hit.component, hit.info),
            None => (compile(inner, file, &wasm, &key)?, None),
        };
        let kind = kind(inner, &component)?;
        let needs = grants::needs(&inner.engine, &component)?;
        Ok(Opened { component, kind, needs, installed: grants::installed(file)?, key, bytes: wasm.len() as u64, info })
    }

    async fn describe(self, inner: &Arc<Inner>, file: &Path, schemas: &Arc<Schemas>) -> Result<Arc<dyn Plugin>, LoadError> {
        let stem: Arc<str> = file.file_stem().unwrap_or_default().to_string_lossy().into();
        let bare = bare(inner, &self.component, self.kind).map_err(|e| LoadError::Mismatch(e.to_string()))?;
        let info = match self.info {
            Some(info) => info,
            None => {
                let owner = Owner::nobody(stem);
                let info = ask(Maker::new(inner, bare.clone(), owner, schemas.clone(), Wake::default())).await?;
                let (inner, key, said) = (inner.clone(), self.key, info.clone());
                // Where the code could not be kept, this cannot either, and that has been said.
                let _ = tokio::task::spawn_blocking(move || inner.cache.note(&key, &said)).await;
                info
            }
        };
        let info = wit::info::lift(info, self.kind).map_err(LoadError::Description)?;
        Ok(Arc::new(ComponentPlugin {
            sandbox: inner.clone(),
            component: self.component,
            bare,
            info,
            file: file.to_owned(),
            needs: self.needs,
            installed: self.installed,
            schemas: schemas.clone(),
            linked: Default::default(),
            idle: Default::default(),
        }))
    }
}

/// Compiles a component and keeps the code. What comes back is mapped from the file, so that the compiler's memory can be
/// given back to the system; it is the largest that the worker ever needs while it is idle.
fn compile(inner: &Inner, file: &Path, wasm: &[u8], key: &crate::cache::Key) -> Result<Component, LoadError> {
    let component = Component::new(&inner.engine, wasm).map_err(|e| LoadError::Compile(e.root_cause().to_string()))?;
    let kept = inner.cache.put(key, &component);
    if let Err(error) = &kept {
        tracing::warn!(file = %file.display(), error = %error, "cannot keep the compiled plugin; it is compiled again at the next start");
    }
    let component = match inner.cache.get(&inner.engine, key).filter(|_| kept.is_ok()) {
        Some(mapped) => mapped.component,
        None => component,
    };
    give_back_memory();
    Ok(component)
}

/// Asks the allocator to give what is free back to the system, where it can be asked.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back_memory() {
    // SAFETY: it may be called at any time, from any thread.
    unsafe { libc::malloc_trim(0) };
}

/// Asks the allocator to give what is free back to the system, where it can be asked: not here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back_memory() {}

/// `describe`, on a throw-away instance.
async fn ask(maker: Maker) -> Result<types::PluginInfo, LoadError> {
    let describe = |e: millrace_record::TaskError| LoadError::Describe(e.message);
    let mut instance = Instance::make(&maker).await.map_err(describe)?;
    let describer = instance.describer().map_err(describe)?;
    let call = instance.begin("describe").map_err(describe)?;
    let answer = call.run(describer.describe(&mut instance.store)).await;
    instance.end(call, answer).map_err(describe)
}

/// A component whose capabilities trap when they are used: for calls that may use none.
fn bare(inner: &Inner, component: &Component, kind: PluginKind) -> wasmtime::Result<WorldPre> {
    WorldPre::new(kind, inner.bare_linker(component)?.instantiate_pre(component)?)
}

/// The kind of a component by its exports.
fn kind(inner: &Inner, component: &Component) -> Result<PluginKind, LoadError> {
    let ty = component.component_type();
    let exports: Vec<&str> = ty.exports(&inner.engine).map(|(name, _)| name).collect();
    let mut kinds = Vec::new();
    let mut plugin = false;
    for name in &exports {
        let Some((interface, version)) = grants::of_contract(name) else { continue };
        if !grants::of_our_line(version) {
            return Err(LoadError::Version { found: (*name).to_owned(), offered: VERSION });
        }
        match interface {
            "plugin" => plugin = true,
            "source" => kinds.push(PluginKind::Source),
            "sink" => kinds.push(PluginKind::Sink),
            "transform" | "plain" => kinds.push(PluginKind::Transform),
            _ => {}
        }
    }
    match kinds[..] {
        [kind] if plugin => Ok(kind),
        [_] => Err(LoadError::Export { missing: format!("{}/plugin", grants::PACKAGE), offered: VERSION }),
        _ => {
            let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
            Err(LoadError::World { found, offered: VERSION })
        }
    }
}
