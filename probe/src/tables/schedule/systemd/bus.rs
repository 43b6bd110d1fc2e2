//! As much of D-Bus as two questions to systemd need.
//!
//! The other side may be anybody: every length is checked, the answer is bounded, and waiting ends.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::Unit;

const SOCKET: &str = "/run/dbus/system_bus_socket";
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_MESSAGE: usize = 32 << 20;
/// Messages that may come before the answer: signals, and the bus's greeting.
const MAX_MESSAGES: usize = 64;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// A unit file and its state.
pub(super) type FileState = (String, String);

/// All loaded units, and all unit files with their state.
pub(super) fn units() -> io::Result<(Vec<Unit>, Vec<FileState>)> {
    let mut bus = Bus::connect(SOCKET)?;
    bus.hello()?;
    let mut ask = |member| {
        bus.call(
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager",
            member,
        )
    };
    let units = ask("ListUnits")?;
    let files = ask("ListUnitFiles")?;
    let broken = || io::Error::other("answered garbage");
    Ok((parse_units(&units).ok_or_else(broken)?, parse_files(&files).ok_or_else(broken)?))
}

struct Bus {
    stream: UnixStream,
    serial: u32,
}

impl Bus {
    fn connect(path: &str) -> io::Result<Self> {
        // Without waiting: a full queue is an answer, too.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        let mut stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Who we are, as decimal digits in hexadecimal; the kernel vouches for it.
        let uid = rustix::process::geteuid().as_raw().to_string();
        let uid: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0_u8; 1];
            stream.read_exact(&mut byte)?;
            line.extend_from_slice(&byte);
            if line.len() > 1_024 {
                return Err(io::Error::other("did not greet"));
            }
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::other("refused"));
        }
        stream.write_all(b"BEGIN\r\n")?;
        Ok(Bus { stream, serial: 0 })
    }

    /// Nobody is heard on the bus before this.
    fn hello(&mut self) -> io::Result<Vec<u8>> {
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
    }

    /// Calls a method without arguments; the body of the answer.
    fn call(&mut self, destination: &str, path: &str, interface: &str, member: &str) -> io::Result<Vec<u8>> {
        self.serial += 1;
        self.stream.write_all(&method_call(self.serial, destination, path, interface, member))?;
        for _ in 0..MAX_MESSAGES {
            let (kind, answers, body) = self.message()?;
            match kind {
                METHOD_RETURN if answers == Some(self.serial) => return Ok(body),
                ERROR if answers == Some(self.serial) => return Err(io::Error::other("refused")),
                _ => {}
            }
        }
        Err(io::Error::other("did not answer"))
    }

    /// One message: its kind, which call it answers, its body.
    fn message(&mut self) -> io::Result<(u8, Option<u32>, Vec<u8>)> {
        let mut fixed = [0_u8; 16];
        self.stream.read_exact(&mut fixed)?;
        let word = |at: usize| {
            let bytes = fixed.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes) as usize
        };
        let (body, fields) = (word(4), word(12));
        let little_endian = fixed.first() == Some(&b'l');
        if !little_endian || body > MAX_MESSAGE || fields > MAX_MESSAGE {
            return Err(io::Error::other("answered garbage"));
        }
        let mut header = vec![0_u8; fields.next_multiple_of(8)];
        self.stream.read_exact(&mut header)?;
        let mut content = vec![0_u8; body];
        self.stream.read_exact(&mut content)?;
        let kind = fixed.get(1).copied().unwrap_or(0);
        Ok((kind, reply_serial(header.get(..fields).unwrap_or_default()), content))
    }
}

/// Field 5 of the header: an unsigned number.
fn reply_serial(fields: &[u8]) -> Option<u32> {
    let mut reader = Body { bytes: fields, at: 0 };
    loop {
        reader.align(8);
        let code = reader.byte()?;
        let signature = reader.signature()?;
        match signature.as_slice() {
            b"u" => {
                let value = reader.number()?;
                if code == 5 {
                    return Some(value);
                }
            }
            b"s" | b"o" => drop(reader.text()?),
            b"g" => drop(reader.signature()?),
            _ => return None,
        }
    }
}

fn method_call(serial: u32, destination: &str, path: &str, interface: &str, member: &str) -> Vec<u8> {
    let mut fields = Vec::new();
    for (code, kind, value) in
        [(1_u8, b'o', path), (2, b's', interface), (3, b's', member), (6, b's', destination)]
    {
        fields.resize(fields.len().next_multiple_of(8), 0);
        fields.extend_from_slice(&[code, 1, kind, 0]);
        fields.extend_from_slice(&(value.len() as u32).to_le_bytes());
        fields.extend_from_slice(value.as_bytes());
        fields.push(0);
    }
    let mut message = vec![b'l', METHOD_CALL, 0, 1];
    message.extend_from_slice(&0_u32.to_le_bytes());
    message.extend_from_slice(&serial.to_le_bytes());
    message.extend_from_slice(&(fields.len() as u32).to_le_bytes());
    message.extend_from_slice(&fields);
    message.resize(message.len().next_multiple_of(8), 0);
    message
}

/// Reads a body from its beginning.
struct Body<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Body<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.byte()?;
        Some(text)
    }

    fn signature(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(self.byte()?);
        let text = self.take(length)?.to_vec();
        self.byte()?;
        Some(text)
    }

    /// Where an array of structures ends.
    fn array_end(&mut self) -> Option<usize> {
        let length = usize::try_from(self.number()?).ok()?;
        self.align(8);
        let end = self.at.checked_add(length)?;
        (end <= self.bytes.len()).then_some(end)
    }
}

/// `a(ssssssouso)`
fn parse_units(bytes: &[u8]) -> Option<Vec<Unit>> {
    let mut body = Body { bytes, at: 0 };
    let end = body.array_end()?;
    let mut units = Vec::new();
    while body.at < end {
        body.align(8);
        units.push(Unit {
            id: body.text()?,
            description: body.text()?,
            load_state: body.text()?,
            active_state: body.text()?,
            sub_state: body.text()?,
            following: body.text()?,
            object_path: body.text()?,
            job_id: body.number()?,
            job_type: body.text()?,
            job_path: body.text()?,
        });
    }
    Some(units)
}

/// `a(ss)`
fn parse_files(bytes: &[u8]) -> Option<Vec<FileState>> {
    let mut body = Body { bytes, at: 0 };
    let end = body.array_end()?;
    let mut files = Vec::new();
    while body.at < end {
        body.align(8);
        files.push((body.text()?, body.text()?));
    }
    Some(files)
}

#[cfg(any(test, fuzzing))]
pub(super) fn read_anything(bytes: &[u8]) {
    drop((parse_units(bytes), parse_files(bytes), reply_serial(bytes)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(out: &mut Vec<u8>, text: &str) {
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    }

    #[test]
    fn an_array_of_files_is_read_and_a_cut_one_is_not() {
        let mut items = Vec::new();
        for (path, state) in [("/a/x.service", "enabled"), ("/b/y.timer", "static")] {
            items.resize(items.len().next_multiple_of(8), 0);
            text(&mut items, path);
            text(&mut items, state);
        }
        let mut body = (items.len() as u32).to_le_bytes().to_vec();
        body.resize(8, 0);
        body.extend_from_slice(&items);
        let files = parse_files(&body).unwrap();
        assert_eq!(files[1], ("/b/y.timer".to_owned(), "static".to_owned()));
        for end in 0..body.len() {
            assert_eq!(parse_files(&body[..end]), None, "{end}");
        }
        assert_eq!(parse_units(&body), None);
    }

    /// A bus that greets, answers every call with the given body, and sends a signal before each answer.
    fn bus_that_answers(socket: &std::path::Path, body: Vec<u8>) -> std::thread::JoinHandle<()> {
        let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut greeting = Vec::new();
            while !greeting.ends_with(b"\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                greeting.push(byte[0]);
            }
            assert!(greeting.starts_with(b"\0AUTH EXTERNAL 3"), "{greeting:?}");
            stream.write_all(b"OK 0123\r\n").unwrap();
            let mut begin = [0; 7];
            stream.read_exact(&mut begin).unwrap();
            let mut fixed = [0; 16];
            while stream.read_exact(&mut fixed).is_ok() {
                let fields = u32::from_le_bytes(fixed[12..16].try_into().unwrap()) as usize;
                stream.read_exact(&mut vec![0; fields.next_multiple_of(8)]).unwrap();
                // A signal without fields, then the answer with the serial that it answers.
                stream.write_all(&[b'l', 4, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
                let mut answer = vec![b'l', METHOD_RETURN, 0, 1];
                answer.extend_from_slice(&(body.len() as u32).to_le_bytes());
                answer.extend_from_slice(&[2, 0, 0, 0, 8, 0, 0, 0, 5, 1, b'u', 0]);
                answer.extend_from_slice(&fixed[8..12]);
                answer.extend_from_slice(&body);
                stream.write_all(&answer).unwrap();
            }
        })
    }

    #[test]
    fn questions_find_their_answers_between_signals() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("bus");
        let server = bus_that_answers(&socket, b"body".to_vec());
        let mut bus = Bus::connect(socket.to_str().unwrap()).unwrap();
        assert_eq!(bus.hello().unwrap(), b"body");
        assert_eq!(bus.call("a.b", "/a", "a.b.C", "Member").unwrap(), b"body");
        drop(bus);
        server.join().unwrap();
        assert!(Bus::connect("/nowhere/at/all").is_err());
    }

    #[test]
    fn calls_are_aligned_and_name_their_method() {
        let call = method_call(7, "a.b", "/a", "a.b.C", "Hello");
        assert_eq!(call.len() % 8, 0);
        assert_eq!(call[8], 7);
        assert!(call.windows(5).any(|part| part == b"Hello"));
        assert_eq!(reply_serial(&[5, 1, b'u', 0, 9, 0, 0, 0]), Some(9));
        assert_eq!(reply_serial(&[5, 1, b'x', 0]), None);
    }
}
