//! Random numbers from the host's operating system, good enough for keys and tokens.

/// The most that the host gives at a time.
const BYTES_MAX: usize = 64 << 10;

/// Fills the buffer.
pub fn fill(buffer: &mut [u8]) {
    for part in buffer.chunks_mut(BYTES_MAX) {
        let bytes = take(part.len());
        part.copy_from_slice(&bytes);
    }
}

/// `N` bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A number out of all there are.
pub fn u64() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::host::millrace::plugin::random::get_u64();
    #[cfg(not(target_arch = "wasm32"))]
    u64::from_le_bytes(bytes())
}

#[cfg(target_arch = "wasm32")]
fn take(len: usize) -> Vec<u8> {
    crate::bindings::host::millrace::plugin::random::get_bytes(len as u32)
}

/// Of the system itself.
#[cfg(not(target_arch = "wasm32"))]
fn take(len: usize) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = vec![0; len];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes));
    read.expect("the system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn buffers_of_any_length_are_filled() {
        let mut long = vec![0; super::BYTES_MAX * 2 + 1];
        super::fill(&mut long);
        assert!(long.chunks(64).all(|part| part.len() < 64 || part.iter().any(|b| *b != 0)));
        assert_ne!(super::bytes::<16>(), super::bytes::<16>());
        assert_ne!(super::u64(), super::u64());
    }
}
