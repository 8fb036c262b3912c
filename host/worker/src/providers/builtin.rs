//! Kafka's own providers: a properties file, the environment, a folder of files. None of them gives a time to live: a
//! value that changed takes effect when the task, the connector or the worker is started again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use super::ProviderError;
use crate::config::properties;

/// The most bytes of one file that holds values.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a provider knows of the keys it was asked for.
#[derive(Debug, Default)]
pub struct Found {
    pub values: HashMap<String, String>,
    /// Why a key that is not among the values is not, for a person.
    pub otherwise: String,
}

impl Found {
    fn nothing(why: String) -> Self {
        Found { values: HashMap::new(), otherwise: why }
    }
}

/// `allowed.paths`: None allows all.
#[derive(Debug, Clone, Default)]
pub struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    /// Every path must be absolute and exist.
    pub fn new(setting: Option<&str>) -> Result<Self, String> {
        let Some(setting) = setting.filter(|s| !s.is_empty()) else { return Ok(AllowedPaths(None)) };
        let paths = setting.split(',').map(|written| {
            let path = normal(Path::new(written.trim()));
            match () {
                () if !path.is_absolute() => Err(format!("Path {} is not absolute", path.display())),
                () if !path.exists() => Err(format!("Path {} does not exist", path.display())),
                () => Ok(path),
            }
        });
        Ok(AllowedPaths(Some(paths.collect::<Result<_, _>>()?)))
    }

    /// The path to open; None: it may not be.
    fn allowed(&self, path: &str) -> Option<PathBuf> {
        let Some(allowed) = &self.0 else { return Some(PathBuf::from(path)) };
        let path = normal(Path::new(path));
        allowed.iter().any(|a| path.starts_with(a)).then_some(path)
    }
}

/// Without `.` and `..`, by the text alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            Component::ParentDir if normal.has_root() => {}
            part => normal.push(part),
        }
    }
    normal
}

fn forbidden(path: &str) -> Found {
    Found::nothing(format!("the path {path} is not within the provider's \"allowed.paths\""))
}

/// `FileConfigProvider`: the path is a properties file, the key one of its keys.
pub fn file(allowed: &AllowedPaths, path: &str, keys: &BTreeSet<&str>) -> Result<Found, ProviderError> {
    if path.is_empty() {
        return Ok(Found::nothing("it names no file; write ${provider:/path/to/file:key}".to_owned()));
    }
    let Some(file) = allowed.allowed(path) else { return Ok(forbidden(path)) };
    let unreadable = |why: String| ProviderError::File { path: path.to_owned(), why };
    let bytes = read(&file).map_err(unreadable)?;
    let entries = properties::parse(&bytes).map_err(|e| unreadable(e.to_string()))?;
    let values = entries.into_iter().filter(|(key, _)| keys.contains(key.as_str())).collect();
    Ok(Found { values, otherwise: format!("the file {path} has no such key") })
}

/// `DirectoryConfigProvider`: the path is a folder, the key the name of a file in it; its content is the value, all of it.
pub fn directory(allowed: &AllowedPaths, path: &str, keys: &BTreeSet<&str>) -> Result<Found, ProviderError> {
    if path.is_empty() {
        return Ok(Found::nothing("it names no folder; write ${provider:/path/to/folder:file}".to_owned()));
    }
    let Some(folder) = allowed.allowed(path) else { return Ok(forbidden(path)) };
    if !folder.is_dir() {
        return Ok(Found::nothing(format!("the path {path} is not a folder")));
    }
    let mut values = HashMap::new();
    for key in keys {
        // A key is a name in this folder, never a way out of it.
        let file = folder.join(key);
        if Path::new(key).file_name().is_none_or(|name| name != *key) || !file.is_file() {
            continue;
        }
        let unreadable = |why: String| ProviderError::Entry { file: file.display().to_string(), key: (*key).to_owned(), why };
        let bytes = read(&file).map_err(unreadable)?;
        values.insert((*key).to_owned(), String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(Found { values, otherwise: format!("the folder {path} has no such file") })
}

/// `EnvVarConfigProvider`: the key is the name of a variable. There is no path.
pub fn environment(variables: &BTreeMap<String, String>, path: &str, keys: &BTreeSet<&str>) -> Result<Found, ProviderError> {
    if !path.is_empty() {
        return Err(ProviderError::EnvironmentPath { path: path.to_owned() });
    }
    let values = keys.iter().filter_map(|k| Some(((*k).to_owned(), variables.get(*k)?.clone()))).collect();
    let otherwise =
        "the worker's environment has no such variable, or the provider's \"allowlist.pattern\" leaves it out".to_owned();
    Ok(Found { values, otherwise })
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(file).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        // A pipe or a device might be waited for for ever.
        return Err("it is not a regular file".to_owned());
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("it has {} bytes, and at most {FILE_BYTES_MAX} are read", metadata.len()));
    }
    std::fs::read(file).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normal_before_they_are_compared() {
        let check = |path: &str, expected: &str| assert_eq!(normal(Path::new(path)), Path::new(expected), "{path}");
        check("/a/./b/../c", "/a/c");
        check("/../a", "/a");
        check("../a", "../a");
        check("a/../..", "..");
    }

    #[test]
    fn only_what_is_allowed_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::fs::write(dir.path().join("in/f"), "k=v\n").unwrap();
        std::fs::write(dir.path().join("out"), "k=v\n").unwrap();
        let allowed = AllowedPaths::new(dir.path().join("in").to_str()).unwrap();
        let keys = BTreeSet::from(["k"]);
        let at = |name: &str| dir.path().join(name).display().to_string();
        assert_eq!(file(&allowed, &at("in/f"), &keys).unwrap().values["k"], "v");
        assert!(file(&allowed, &at("in/../out"), &keys).unwrap().otherwise.contains("allowed.paths"));
        assert!(directory(&allowed, &at("."), &BTreeSet::from(["out"])).unwrap().values.is_empty());
        assert!(AllowedPaths::new(Some("relative")).unwrap_err().contains("not absolute"));
        assert!(AllowedPaths::new(Some("/no/such/path")).unwrap_err().contains("does not exist"));
    }

    #[test]
    fn a_folder_gives_the_files_in_it_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::fs::write(dir.path().join("in/a"), "one\n").unwrap();
        std::fs::write(dir.path().join("b"), "two").unwrap();
        let keys = BTreeSet::from(["a", "../b", "missing", "."]);
        let found = directory(&AllowedPaths::default(), &dir.path().join("in").display().to_string(), &keys).unwrap();
        assert_eq!(found.values, HashMap::from([("a".to_owned(), "one\n".to_owned())]));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let keys = BTreeSet::from(["k"]);
        let error = file(&AllowedPaths::default(), "/no/such/file", &keys).unwrap_err();
        assert!(error.to_string().starts_with("Could not read properties from file /no/such/file"), "{error}");
        assert!(file(&AllowedPaths::default(), "/dev/zero", &keys).unwrap_err().to_string().contains("regular"));
    }

    #[test]
    fn the_environment_has_no_paths() {
        let variables = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        let keys = BTreeSet::from(["A", "B"]);
        assert_eq!(environment(&variables, "", &keys).unwrap().values, HashMap::from([("A".to_owned(), "1".to_owned())]));
        let error = environment(&variables, "p", &keys).unwrap_err().to_string();
        assert_eq!(error, "Path is not supported for EnvVarConfigProvider, invalid value 'p'");
    }
}
