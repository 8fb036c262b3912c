//! The codecs of record batches, with a bound on what a batch may unfold to.

use std::borrow::Cow;
use std::io::{Read, Write};

/// Why a payload could not be unfolded or folded.
#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    #[error("compression codec {0} is not known")]
    UnknownCodec(u8),
    #[error("the records unfold to more than {0} bytes")]
    TooLarge(usize),
    #[error("the compressed records are damaged")]
    Damaged(#[source] std::io::Error),
}

/// The head that snappy-java puts before its blocks; librdkafka writes one bare block instead.
const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEAD_BYTES: usize = 16;

/// Unfolds the records of a batch; never gives, nor allocates, more than `bytes_max`.
pub fn decompress(codec: u8, payload: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, CompressionError> {
    match codec {
        0 => Ok(Cow::Borrowed(payload)),
        1 => bounded(flate2::read::MultiGzDecoder::new(payload), bytes_max),
        2 => snappy(payload, bytes_max),
        3 => bounded(lz4::Decoder::new(payload).map_err(CompressionError::Damaged)?, bytes_max),
        4 => bounded(zstd::stream::read::Decoder::new(payload).map_err(CompressionError::Damaged)?, bytes_max),
        other => Err(CompressionError::UnknownCodec(other)),
    }
}

/// Folds records with the codec of their batch.
pub fn compress(codec: u8, records: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let damaged = CompressionError::Damaged;
    match codec {
        0 => Ok(records.to_vec()),
        1 => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(records).map_err(damaged)?;
            out.finish().map_err(damaged)
        }
        2 => snap::raw::Encoder::new().compress_vec(records).map_err(|error| damaged(error.into())),
        3 => {
            let mut out =
                lz4::EncoderBuilder::new().block_mode(lz4::BlockMode::Independent).build(Vec::new()).map_err(damaged)?;
            out.write_all(records).map_err(damaged)?;
            let (bytes, result) = out.finish();
            result.map(|()| bytes).map_err(damaged)
        }
        4 => zstd::stream::encode_all(records, 0).map_err(damaged),
        other => Err(CompressionError::UnknownCodec(other)),
    }
}

fn bounded<'a>(reader: impl Read, bytes_max: usize) -> Result<Cow<'a, [u8]>, CompressionError> {
    let mut out = Vec::new();
    reader.take(bytes_max as u64 + 1).read_to_end(&mut out).map_err(CompressionError::Damaged)?;
    if out.len() > bytes_max { Err(CompressionError::TooLarge(bytes_max)) } else { Ok(Cow::Owned(out)) }
}

fn snappy(payload: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, CompressionError> {
    let mut out = Vec::new();
    if !payload.starts_with(XERIAL_MAGIC) {
        snappy_block(payload, bytes_max, &mut out)?;
        return Ok(Cow::Owned(out));
    }
    let short = || CompressionError::Damaged(std::io::ErrorKind::UnexpectedEof.into());
    let mut rest = payload.get(XERIAL_HEAD_BYTES..).ok_or_else(short)?;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let block = tail.get(..u32::from_be_bytes(*length) as usize).ok_or_else(short)?;
        snappy_block(block, bytes_max, &mut out)?;
        rest = &tail[block.len()..];
    }
    if rest.is_empty() { Ok(Cow::Owned(out)) } else { Err(short()) }
}

fn snappy_block(block: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let damaged = |error: snap::Error| CompressionError::Damaged(error.into());
    let length = snap::raw::decompress_len(block).map_err(damaged)?;
    let start = out.len();
    if length > bytes_max.saturating_sub(start) {
        return Err(CompressionError::TooLarge(bytes_max));
    }
    out.resize(start + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(damaged)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_codec_round_trips(codec in 0u8..5, data in proptest::collection::vec(any::<u8>(), 0..5_000)) {
            let folded = compress(codec, &data).unwrap();
            let unfolded = decompress(codec, &folded, data.len()).unwrap();
            prop_assert_eq!(unfolded.as_ref(), &data[..]);
        }

        #[test]
        fn garbage_is_an_error_or_bounded(codec in 0u8..9, data in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(out) = decompress(codec, &data, 10_000) {
                prop_assert!(out.len() <= 10_000);
            }
        }
    }

    #[test]
    fn a_bomb_is_stopped() {
        let zeros = vec![0; 10 << 20];
        for codec in 1..5 {
            let folded = compress(codec, &zeros).unwrap();
            assert!(matches!(decompress(codec, &folded, 1 << 20), Err(CompressionError::TooLarge(_))), "codec {codec}");
        }
    }

    #[test]
    fn snappy_of_the_java_client_is_read() {
        let mut framed = XERIAL_MAGIC.to_vec();
        framed.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        for part in [&b"hello "[..], b"world"] {
            let block = compress(2, part).unwrap();
            framed.extend_from_slice(&(block.len() as u32).to_be_bytes());
            framed.extend_from_slice(&block);
        }
        assert_eq!(decompress(2, &framed, 100).unwrap().as_ref(), b"hello world");
    }
}
