//! The protocol (RESP 2): commands out, replies in. Every reply is bounded before anything is set aside for it, which is why
//! this is not the crate `redis`: its parser reads a whole reply before it can be counted, and makes 880 MiB of values (56 bytes
//! each) of 45 MiB that a hostile server sends as one array of nothing.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::bindings::redis::Reply;

/// The longest line: a status, an error or a number.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Why a reply was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("it has more than {0}")]
    Large(&'static str),
    #[error("{0}")]
    Protocol(String),
}

/// What replies may still have.
pub(super) struct Room {
    pub replies: usize,
    pub bytes: usize,
}

/// Appends a command.
pub(super) fn write(command: &[impl AsRef<[u8]>], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
    for part in command {
        let part = part.as_ref();
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one reply, its elements behind it. `failed` makes an error of what the server says.
pub(super) async fn read(
    input: &mut (impl AsyncBufRead + Unpin),
    room: &mut Room,
    out: &mut Vec<Reply>,
    failed: &impl Fn(&str) -> crate::bindings::types::Error,
) -> Result<(), Unread> {
    let mut wanted = 1u64;
    while wanted > 0 {
        wanted -= 1;
        room.replies = room.replies.checked_sub(1).ok_or(Unread::Large("1000000 replies"))?;
        let line = line(input).await?;
        let (kind, rest) = line.split_first().ok_or_else(|| Unread::Protocol("an empty line".into()))?;
        let text = || String::from_utf8_lossy(rest).into_owned();
        let number = || {
            std::str::from_utf8(rest).ok().and_then(|t| t.parse::<i64>().ok()).ok_or_else(|| {
                Unread::Protocol(format!("\"{}\" where a number is due", text().chars().take(40).collect::<String>()))
            })
        };
        let mut take = |bytes: usize| {
            room.bytes = room.bytes.checked_sub(bytes).ok_or(Unread::Large("64 MiB, or than the plugin's memory holds"))?;
            Ok::<_, Unread>(())
        };
        out.push(match kind {
            b'+' => {
                take(rest.len())?;
                Reply::Status(text())
            }
            b'-' => {
                take(rest.len())?;
                Reply::Failed(failed(&text()))
            }
            b':' => Reply::Integer(number()?),
            b'$' => match number()? {
                -1 => Reply::Nil,
                n => {
                    let n = usize::try_from(n).map_err(|_| Unread::Protocol(format!("a length of {n}")))?;
                    take(n)?;
                    let mut bytes = vec![0; n];
                    input.read_exact(&mut bytes).await?;
                    let mut end = [0; 2];
                    input.read_exact(&mut end).await?;
                    if end != *b"\r\n" {
                        return Err(Unread::Protocol("bytes that do not end where they should".into()));
                    }
                    Reply::Bytes(bytes)
                }
            },
            b'*' => match number()? {
                -1 => Reply::Nil,
                n => {
                    let n = u32::try_from(n).map_err(|_| Unread::Protocol(format!("an array of {n}")))?;
                    wanted += u64::from(n);
                    Reply::Array(n)
                }
            },
            other => return Err(Unread::Protocol(format!("a reply of the kind \"{}\"", other.escape_ascii()))),
        });
    }
    Ok(())
}

/// A line without its end.
async fn line(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, Unread> {
    let mut line = Vec::new();
    (&mut *input).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).await?;
    match line.strip_suffix(b"\r\n") {
        Some(whole) => {
            let n = whole.len();
            line.truncate(n);
            Ok(line)
        }
        None if line.len() >= LINE_BYTES_MAX => Err(Unread::Large("64 KiB in one line")),
        None if line.ends_with(b"\n") => Err(Unread::Protocol("a line that ends in a line feed alone".into())),
        None => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::ErrorKind;
    use crate::wit::error;

    async fn replies(text: &[u8], replies: usize, bytes: usize) -> Result<Vec<Reply>, String> {
        let (mut input, mut out) = (text, Vec::new());
        let mut room = Room { replies, bytes };
        let failed = |said: &str| error::new(ErrorKind::Fatal, "redis.test", said);
        while !input.is_empty() {
            read(&mut input, &mut room, &mut out, &failed).await.map_err(|e| e.to_string())?;
        }
        Ok(out)
    }

    #[tokio::test]
    async fn replies_are_read_in_order() {
        let text = b"+OK\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n*1\r\n:1\r\n$0\r\n\r\n*-1\r\n-WRONGTYPE no\r\n*0\r\n";
        let read = replies(text, 100, 100).await.unwrap();
        assert_eq!(read.len(), 11, "{read:?}");
        assert!(matches!(&read[0], Reply::Status(s) if s == "OK") && matches!(read[1], Reply::Integer(-7)));
        assert!(matches!(&read[2], Reply::Bytes(b) if b == b"a\r\n") && matches!(read[3], Reply::Nil));
        assert!(matches!(read[4], Reply::Array(2)) && matches!(read[5], Reply::Array(1)) && matches!(read[6], Reply::Integer(1)));
        assert!(matches!(&read[7], Reply::Bytes(b) if b.is_empty()) && matches!(read[8], Reply::Nil));
        assert!(matches!(&read[9], Reply::Failed(e) if e.message == "WRONGTYPE no"));
    }

    #[tokio::test]
    async fn what_is_no_reply_is_refused() {
        for (text, says) in [
            (&b"$5\r\nab"[..], "eof"),
            (b"$2\r\nabcd", "do not end"),
            (b":x\r\n", "number"),
            (b"$-2\r\n", "length of -2"),
            (b"*-2\r\n", "array of -2"),
            (b"*99999999999\r\n", "array of"),
            (b"!boo\r\n", "kind"),
            (b"\r\n", "empty"),
            (b"+OK\n", "line feed"),
            (b"+OK", "end of file"),
            (b"$999999999999\r\n", "more than 64 MiB"),
            (b"*4294967295\r\n:1\r\n:2\r\n:3\r\n:4\r\n", "1000000 replies"),
        ] {
            let said = replies(text, 4, 1_000).await.unwrap_err();
            assert!(said.contains(says), "{text:?}: {said}");
        }
        let long = [&b"+"[..], &[b'x'; LINE_BYTES_MAX]].concat();
        assert!(replies(&long, 4, 1 << 20).await.unwrap_err().contains("one line"));
    }

    #[test]
    fn commands_are_arrays_of_bytes() {
        let mut out = Vec::new();
        write(&[&b"SET"[..], b"k", b"\r\n"], &mut out);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n");
    }
}
