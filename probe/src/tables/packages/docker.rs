//! `docker_containers`: what Docker runs, as its daemon tells over its local socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::Value;

use crate::host::Host;
use crate::tables::{Cell, Failure, Row, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "docker_containers",
    about: "Containers of Docker, with what they may do.",
    sources: "the daemon at /var/run/docker.sock",
    differences: "",
    columns: &[
        text("id").pushed(),
        text("name"),
        text("image"),
        text("image_id"),
        text("command"),
        bigint("created"),
        text("state"),
        text("status"),
        bigint("pid"),
        text("path"),
        text("config_entrypoint"),
        text("started_at"),
        text("finished_at"),
        integer("privileged"),
        text("security_options"),
        text("env_variables"),
        integer("readonly_rootfs"),
        text("cgroup_namespace"),
        text("ipc_namespace"),
        text("mnt_namespace"),
        text("net_namespace"),
        text("pid_namespace"),
        text("user_namespace"),
        text("uts_namespace"),
    ],
    per_user: false,
    rows,
};

const SOCKET: &str = "/var/run/docker.sock";
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_BYTES: u64 = 32 << 20;

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    let host = &scan.host;
    host.running()?;
    if !host.exists(SOCKET) {
        return Ok(crate::tables::none());
    }
    let containers = match get("/containers/json?all=1") {
        Ok(Value::Array(containers)) => containers,
        Ok(_) => Vec::new(),
        Err(error) => {
            host.note(SOCKET, &error.to_string());
            Vec::new()
        }
    };
    let asked = scan.equal_texts("id");
    let mut rows = Vec::new();
    for container in containers {
        let id = text_of(&container, "/Id");
        if asked.is_empty() || asked.iter().any(|asked| asked == id.as_bytes()) {
            rows.push(container_row(host, &container, &id));
        }
    }
    Ok(all(rows))
}

fn container_row(host: &Host, container: &Value, id: &str) -> Row {
    // Only digits and letters go into a request.
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let inner =
        if plain { get(&format!("/containers/{id}/json")).unwrap_or(Value::Null) } else { Value::Null };
    let pid = inner.pointer("/State/Pid").and_then(Value::as_i64).unwrap_or(0);
    let truth = |path: &str| inner.pointer(path).and_then(Value::as_bool).map(i64::from);
    let mut row = row![
        id.to_owned(),
        text_of(container, "/Names/0"),
        text_of(container, "/Image"),
        text_of(container, "/ImageID"),
        text_of(container, "/Command"),
        container.pointer("/Created").and_then(Value::as_i64),
        text_of(container, "/State"),
        text_of(container, "/Status"),
        pid,
        text_of(&inner, "/Path"),
        list_of(&inner, "/Config/Entrypoint"),
        text_of(&inner, "/State/StartedAt"),
        text_of(&inner, "/State/FinishedAt"),
        truth("/HostConfig/Privileged"),
        list_of(&inner, "/HostConfig/SecurityOpt"),
        list_of(&inner, "/Config/Env"),
        truth("/HostConfig/ReadonlyRootfs")
    ];
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let link =
            if pid > 0 { host.read_link(format!("/proc/{pid}/ns/{name}").as_bytes()).ok() } else { None };
        let link = link.unwrap_or_default();
        let inode = link.split(|byte| *byte == b'[').nth(1).and_then(|rest| rest.strip_suffix(b"]"));
        row.push(Cell::from(inode.unwrap_or_default()));
    }
    row
}

fn text_of(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A list of texts with commas between.
fn list_of(value: &Value, path: &str) -> String {
    let list = value.pointer(path).and_then(Value::as_array);
    let texts: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
    texts.join(", ")
}

/// Asks the daemon. HTTP/1.0, so that the answer ends where the connection ends.
fn get(path: &str) -> io::Result<Value> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(SOCKET)?)?;
    let mut stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other("answered garbage"))
}

/// The body of an answer that says 200.
pub(super) fn parse(answer: &[u8]) -> Option<Value> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    head.lines().next()?.split_ascii_whitespace().nth(1).filter(|status| *status == "200")?;
    serde_json::from_slice(answer.get(end + 4..)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_counts() {
        let answer = parse(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n[{\"Id\":\"x\"}]").unwrap();
        assert_eq!(text_of(&answer, "/0/Id"), "x");
        assert_eq!(parse(b"HTTP/1.0 500 No\r\n\r\n{}"), None);
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\n\r\n[{"), None);
        assert_eq!(parse(b"garbage"), None);
    }
}
