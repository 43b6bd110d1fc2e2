//! A relay that makes a line longer and thinner than it is: latency, jitter, bandwidth, and a cut after so many bytes.
//!
//! It stands in for the kernel's network emulation, which not every kernel has, and needs no rights.

use crate::dice::Dice;
use crate::serve::port::Port;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// As much as is read at once.
const CHUNK: usize = 16 << 10;
/// How many chunks may be on their way in one direction: with the chunk's size this bounds memory.
const ON_THE_WAY: usize = 256;

/// What a line is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How long a byte is on its way, in each direction.
    pub latency: Duration,
    /// By how much more that may be.
    pub jitter: Duration,
    /// How many bytes get through in a second, in each direction.
    pub bytes_per_second: Option<u64>,
    /// After how many bytes, of both directions together, the line is cut.
    pub cut_after: Option<u64>,
}

/// The near end of a relay: a port of loopback that can be closed and opened.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Door {
    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens or closes it: where it is closed the kernel refuses connections. Those that are there stay.
    pub fn set(&self, open: bool) {
        self.is_open.send_replace(open);
    }
}

/// Takes connections at an open door and passes them on, until it is told to stop.
///
/// # Errors
/// Where there is no port.
pub fn start<C, F>(connect: C, shape: Shape, stop: CancellationToken, tasks: &TaskTracker) -> io::Result<Door>
where
    C: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<TcpStream>> + Send + 'static,
{
    let mut port = Port::closed()?;
    port.set(true)?;
    let address = port.address();
    let (is_open, door) = watch::channel(true);
    tasks.spawn(run(port, door, connect, shape, stop, tasks.clone()));
    Ok(Door { address, is_open })
}

async fn run<C, F>(
    mut port: Port,
    mut door: watch::Receiver<bool>,
    connect: C,
    shape: Shape,
    stop: CancellationToken,
    tasks: TaskTracker,
) where
    C: Fn() -> F,
    F: Future<Output = io::Result<TcpStream>> + Send + 'static,
{
    loop {
        let open = *door.borrow_and_update();
        let accepted = match port.set(open) {
            Err(error) => Err(error),
            Ok(()) => tokio::select! {
                () = stop.cancelled() => return,
                changed = door.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                accepted = port.accept() => accepted,
            },
        };
        let Ok(near) = accepted else {
            // Out of descriptors, most likely.
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(Duration::from_millis(20)) => continue,
            }
        };
        let (connecting, stop) = (connect(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = pass(near, connecting, shape) => {}
            }
        });
    }
}

/// Passes one connection on, until both directions are at their end or the line is cut.
async fn pass(near: TcpStream, connecting: impl Future<Output = io::Result<TcpStream>>, shape: Shape) {
    let far = match connecting.await {
        Ok(far) => far,
        // Who is cut off says nothing.
        Err(error) if is_lost(&error) => return std::future::pending().await,
        // Who refuses hangs up: that is all a relay can show.
        Err(_) => return,
    };
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let left = Arc::new(AtomicU64::new(shape.cut_after.unwrap_or(u64::MAX)));
    let there = direction(near_in, far_out, shape, left.clone());
    let back = direction(far_in, near_out, shape, left);
    tokio::pin!(there, back);
    // One direction may end before the other; a cut ends both.
    tokio::select! {
        whole = &mut there => if whole { back.await; },
        whole = &mut back => if whole { there.await; },
    }
}

fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(error.kind(), HostUnreachable | NetworkUnreachable | TimedOut)
}

/// Passes one direction on; false where the line was cut.
async fn direction(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shape: Shape,
    left: Arc<AtomicU64>,
) -> bool {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let mut dice = Dice::new(shape.latency.subsec_nanos().into()).named("jitter");
    let reading = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let got = from.read(&mut buffer).await.unwrap_or(0);
            let Some(bytes) = buffer.get(..got).filter(|bytes| !bytes.is_empty()) else { return true };
            let wanted = bytes.len() as u64;
            let had = left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(wanted)));
            let allowed = usize::try_from(had.unwrap_or(0).min(wanted)).unwrap_or(0);
            if let Some(rate) = shape.bytes_per_second {
                sleep(Duration::from_micros(wanted * 1_000_000 / rate.max(1))).await;
            }
            let jitter = u64::try_from(shape.jitter.as_micros()).unwrap_or(0);
            let due = Instant::now() + shape.latency + Duration::from_micros(dice.between(0, jitter + 1));
            let bytes = bytes.get(..allowed).unwrap_or_default().to_vec();
            if sender.send((due, bytes)).await.is_err() {
                return true;
            }
            if allowed < got {
                return false;
            }
        }
    };
    let writing = async move {
        // In their order, whatever the jitter says.
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    /// A line to an echo, and what comes back within a time.
    async fn echoed(shape: Shape, bytes: usize) -> (usize, Duration) {
        let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = far.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = far.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let door = start(move || TcpStream::connect(there), shape, stop.clone(), &tasks).unwrap();
        let here = door.address();
        let begin = Instant::now();
        let (mut from, mut to) = TcpStream::connect(here).await.unwrap().into_split();
        let writer = tokio::spawn(async move {
            let _ = to.write_all(&vec![7; bytes]).await;
            let _ = to.shutdown().await;
        });
        let mut back = Vec::new();
        let _ = from.read_to_end(&mut back).await;
        let took = begin.elapsed();
        writer.await.unwrap();
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        (back.len(), took)
    }

    #[tokio::test]
    async fn a_line_has_its_length_its_width_and_its_end() {
        let (bytes, _) = echoed(Shape::default(), 3 << 20).await;
        assert_eq!(bytes, 3 << 20);
        let long = Shape { latency: Duration::from_millis(150), ..Shape::default() };
        let (bytes, took) = echoed(long, 100).await;
        assert!(bytes == 100 && took >= Duration::from_millis(300), "{took:?}");
        let thin = Shape { bytes_per_second: Some(200_000), ..Shape::default() };
        let (bytes, took) = echoed(thin, 100_000).await;
        assert!(bytes == 100_000 && took >= Duration::from_millis(450), "{took:?}");
    }

    #[tokio::test]
    async fn a_cut_counts_both_directions_together() {
        // Thirty thousand get there, and of those that come back only what is left.
        let cut = Shape { cut_after: Some(50_000), ..Shape::default() };
        let (bytes, _) = echoed(cut, 30_000).await;
        assert_eq!(bytes, 20_000);
    }

    /// The far side hears nothing of an end, and would hold the line for ever.
    #[tokio::test]
    async fn a_cut_ends_both_directions() {
        let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = far.local_addr().unwrap();
        let kept = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = far.accept().await {
                kept.push(stream);
            }
        });
        let cut = Shape { cut_after: Some(1000), ..Shape::default() };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let door = start(move || TcpStream::connect(there), cut, stop.clone(), &tasks).unwrap();
        let mut line = TcpStream::connect(door.address()).await.unwrap();
        line.write_all(&[7; 1001]).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), line.read(&mut [0; 9])).await;
        // Cut, however that is told: nothing more comes.
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
        stop.cancel();
        kept.abort();
    }
}
