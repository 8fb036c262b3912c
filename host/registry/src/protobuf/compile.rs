//! From text to a linked file: the parser's and linker's errors in a registry's words.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost_reflect::FileDescriptor;
use prost_types::{DescriptorProto, FileDescriptorProto, UninterpretedOption};
use protox::Compiler;
use protox::file::{File, FileResolver, GoogleFileResolver};

use super::{TEXT_BYTES_MAX, builtin, options, print};
use crate::{Dependency, InvalidSchema};

/// What the file of the schema itself is called; no import can mean it.
const ITSELF: &str = "schema.proto";
/// The deepest nesting of braces, brackets and parentheses.
const NESTING_MAX: usize = 64;

struct Resolver {
    itself: (String, Itself),
    given: HashMap<String, Given>,
    google: GoogleFileResolver,
}

enum Itself {
    Parsed(FileDescriptorProto),
    /// As bytes, which hold options of imported extensions, too.
    Encoded(Vec<u8>),
}

enum Given {
    Text(String),
    Descriptor(Vec<u8>),
}

/// The file as written, and linked.
pub(super) fn compile(text: &str, dependencies: &[Dependency]) -> Result<(FileDescriptorProto, FileDescriptor), InvalidSchema> {
    let mut name = ITSELF.to_owned();
    while dependencies.iter().any(|d| d.name == name) {
        name.insert(0, '_');
    }
    let mut given = HashMap::new();
    for dependency in dependencies {
        let what = format!("the reference {:?}", dependency.name);
        given.insert(dependency.name.clone(), read(&dependency.text, &what)?);
    }
    let (itself, parsed) = match read(text, "the schema")? {
        Given::Text(text) => {
            let mut parsed = protox_parse::parse(&name, &text).map_err(|e| InvalidSchema(unparsed(&e, &text)))?;
            parsed.message_type.iter_mut().for_each(mark_entries);
            (Itself::Parsed(parsed.clone()), Some(parsed))
        }
        Given::Descriptor(bytes) => {
            FileDescriptorProto::decode(bytes.as_slice())
                .map_err(|e| InvalidSchema(format!("the schema is Base64, but of no FileDescriptorProto: {e}")))?;
            (Itself::Encoded(called(bytes, &name)), None)
        }
    };
    let resolver = Resolver { itself: (name.clone(), itself), given, google: GoogleFileResolver::new() };
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file(&name).map_err(|e| InvalidSchema(unlinked(&e)))?;
    let pool = compiler.descriptor_pool();
    let file = pool.get_file_by_name(&name).ok_or_else(|| InvalidSchema("the schema has no file".into()))?;
    Ok((parsed.unwrap_or_else(|| options::as_written(&file)), file))
}

impl FileResolver for Resolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == self.itself.0 {
            return match &self.itself.1 {
                Itself::Parsed(file) => Ok(File::from_file_descriptor_proto(file.clone())),
                Itself::Encoded(bytes) => File::decode_file_descriptor_proto(bytes.as_slice()).map_err(protox::Error::new),
            };
        }
        match self.given.get(name) {
            Some(Given::Text(text)) => {
                return match protox_parse::parse(name, text) {
                    Ok(mut parsed) => {
                        parsed.message_type.iter_mut().for_each(mark_entries);
                        Ok(File::from_file_descriptor_proto(parsed))
                    }
                    // The same error again, with the text around it.
                    Err(_) => File::from_source(name, text),
                };
            }
            Some(Given::Descriptor(bytes)) => {
                let bytes = called(bytes.clone(), name);
                return File::decode_file_descriptor_proto(bytes.as_slice()).map_err(protox::Error::new);
            }
            None => {}
        }
        match builtin::text(name) {
            Some(text) => File::from_source(name, text),
            None => self.google.open_file(name),
        }
    }
}

/// What a text is, as far as it can be told without its imports.
fn read(text: &str, what: &str) -> Result<Given, InvalidSchema> {
    if text.len() > TEXT_BYTES_MAX {
        let size = text.len();
        return Err(InvalidSchema(format!("{what} has {size} bytes, and at most {TEXT_BYTES_MAX} are taken")));
    }
    if text.trim().is_empty() {
        return Err(InvalidSchema(format!("{what} is empty")));
    }
    // No text of a schema is Base64, as every statement ends in a semicolon or a brace.
    if let Ok(bytes) = STANDARD.decode(text.trim()) {
        return Ok(Given::Descriptor(bytes));
    }
    if nesting(text) > NESTING_MAX {
        return Err(InvalidSchema(format!("{what} is nested more than {NESTING_MAX} levels deep")));
    }
    Ok(Given::Text(text.to_owned()))
}

/// A descriptor under another name: the last of several values of a field is what is read.
fn called(mut descriptor: Vec<u8>, name: &str) -> Vec<u8> {
    let named = FileDescriptorProto { name: Some(name.to_owned()), ..FileDescriptorProto::default() };
    descriptor.extend(named.encode_to_vec());
    descriptor
}

/// Takes entries of maps for what they are where a text spells them out, as texts that were printed from descriptors do.
fn mark_entries(message: &mut DescriptorProto) {
    message.nested_type.iter_mut().for_each(mark_entries);
    let Some(options) = &mut message.options else { return };
    let spelled = |option: &UninterpretedOption| {
        print::option_name(option) == "map_entry" && option.identifier_value.as_deref() == Some("true")
    };
    if options.uninterpreted_option.iter().any(spelled) {
        options.uninterpreted_option.retain(|option| !spelled(option));
        options.map_entry = Some(true);
    }
}

/// How deep braces, brackets and parentheses are nested, outside of strings and comments.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' | b'(' | b'<' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' | b')' | b'>' => depth = depth.saturating_sub(1),
            quote @ (b'"' | b'\'') => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        // No string goes on behind the end of its line.
                        b'\n' => break,
                        end if end == quote => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek() == Some(&b'/') => while bytes.next().is_some_and(|b| b != b'\n') {},
            b'/' if bytes.peek() == Some(&b'*') => {
                bytes.next();
                let mut before = 0;
                for byte in bytes.by_ref() {
                    if (before, byte) == (b'*', b'/') {
                        break;
                    }
                    before = byte;
                }
            }
            _ => {}
        }
    }
    deepest
}

fn unparsed(error: &protox_parse::ParseError, text: &str) -> String {
    let place = error.span().and_then(|span| text.get(..span.start)).map(|before| {
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!(" at line {line}, column {column}")
    });
    format!("the schema is no .proto file{}: {error}", place.unwrap_or_default())
}

fn unlinked(error: &protox::Error) -> String {
    if error.is_file_not_found() {
        return format!("{error}: register that file and list it in \"references\" under this name");
    }
    match error.file() {
        Some(file) if !file.ends_with(ITSELF) => format!("the schema cannot be linked, in {file:?}: {error}"),
        _ => format!("the schema cannot be linked: {error}"),
    }
}
