//! As much of HTTP/1.1 as clients of AWS use: requests with a known length, connections that stay open, and a way through
//! to another server.

use super::service::Service;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const MOST_HEAD: u64 = 64 << 10;
const MOST_BODY: u64 = 256 << 20;

/// A request.
pub(super) struct Request {
    /// `POST / HTTP/1.1`.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

pub(super) async fn serve(listener: TcpListener, service: Arc<Service>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (service, stop) = (Arc::clone(&service), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = connection(stream, &service) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, service: &Arc<Service>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(request) = read(&mut reader, &mut writer).await? {
        service.hear(&request);
        let target = request.header("x-amz-target").unwrap_or_default();
        if let Some(operation) = target.strip_prefix("AmazonSSM.") {
            let operation = operation.to_owned();
            let (status, body) = service.answer(&operation, &request).await;
            let head = format!(
                "HTTP/1.1 {status} x\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            writer.write_all(head.as_bytes()).await?;
            writer.write_all(body.as_bytes()).await?;
            continue;
        }
        let Some(upstream) = service.upstream() else {
            writer.write_all(b"HTTP/1.1 501 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
            return Ok(());
        };
        // One request, one connection: the answer ends where that does.
        return pass_on(&request, upstream, &mut writer).await;
    }
    Ok(())
}

async fn read(
    reader: &mut BufReader<tokio::net::tcp::OwnedReadHalf>,
    writer: &mut tokio::net::tcp::OwnedWriteHalf,
) -> std::io::Result<Option<Request>> {
    let bad = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned());
    let mut head = reader.take(MOST_HEAD);
    let mut line = String::new();
    if head.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        if head.read_line(&mut header).await? == 0 {
            return Err(bad("the head is cut off"));
        }
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { line: line.trim_end().to_owned(), headers, body: Vec::new() };
    if request.header("transfer-encoding").is_some() {
        return Err(bad("no known length"));
    }
    if request.header("expect").is_some() {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length: u64 =
        request.header("content-length").unwrap_or("0").parse().map_err(|_| bad("no length"))?;
    if length > MOST_BODY {
        return Err(bad("too long"));
    }
    let mut body = Vec::new();
    head.into_inner().take(length).read_to_end(&mut body).await?;
    if body.len() as u64 != length {
        return Err(bad("the body is cut off"));
    }
    request.body = body;
    Ok(Some(request))
}

async fn pass_on(
    request: &Request,
    upstream: SocketAddr,
    writer: &mut tokio::net::tcp::OwnedWriteHalf,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    let mut head = format!("{}\r\n", request.line);
    for (name, value) in &request.headers {
        if !["connection", "expect"].contains(&name.to_ascii_lowercase().as_str()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += "Connection: close\r\n\r\n";
    server.write_all(head.as_bytes()).await?;
    server.write_all(&request.body).await?;
    copy(&mut server, writer).await?;
    writer.shutdown().await
}
