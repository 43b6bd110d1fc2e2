//! The index of a sealed bundle, checked: what is where, the names of the hosts, and what their content is committed to.

use super::frame::Frame;
use super::segment::About;
use super::wire::{EndPayload, FramePayload, HostPayload, IndexPayload};
use super::{BundleError, Digest, content, read};

/// The index of a bundle.
pub(super) struct Index {
    pub(super) end: EndPayload,
    pub(super) seal: Digest,
    /// Names and herds.
    pub(super) hosts: Vec<(String, String)>,
    pub(super) leaves: Vec<Digest>,
    pub(super) frames: Vec<FramePayload>,
}

impl FramePayload {
    /// What an index says of a frame.
    pub(super) fn of(frame: &Frame) -> Self {
        use super::frame::FrameKind as Kind;
        let about = match frame.kind {
            Kind::Common | Kind::Own => About::of(frame),
            _ => None,
        };
        let about = about.unwrap_or(About { query: 0, first: 0, hosts: 0 });
        Self {
            kind: frame.kind as u8,
            query: about.query,
            first: about.first,
            hosts: about.hosts,
            stored: frame.payload.len() as u32,
            digest: frame.digest.0,
        }
    }

    fn is_about(&self, found: &Self) -> bool {
        let hosts = super::frame::FrameKind::Hosts as u8;
        let same = (self.kind, self.stored, self.digest) == (found.kind, found.stored, found.digest);
        same && (self.kind == hosts
            || (self.query, self.first, self.hosts) == (found.query, found.first, found.hosts))
    }
}

impl Index {
    /// Reads it; the seal fits the hosts.
    pub(super) fn read(frame: &Frame, of_sweep: Digest) -> Result<Self, BundleError> {
        let payload: IndexPayload = read::payload(frame)?;
        let (leaves, rest) = payload.leaves.as_chunks::<32>();
        let leaves: Vec<Digest> = leaves.iter().copied().map(Digest).collect();
        let count = leaves.len() as u64;
        if !rest.is_empty() || payload.hosts.len() as u64 != count || payload.end.hosts != count {
            return Err(frame.damaged("it does not have a name and a digest for each host"));
        }
        let seal = Digest(payload.seal);
        if content::seal(of_sweep, &payload.end, &leaves)? != seal {
            return Err(frame.damaged("its seal does not fit the hosts"));
        }
        Ok(Self { end: payload.end, seal, hosts: payload.hosts, leaves, frames: payload.frames })
    }

    /// Compares it with the frames that are there.
    pub(super) fn check_frames(&self, frame: &Frame, found: &[FramePayload]) -> Result<(), BundleError> {
        let fits = |(told, found): (&FramePayload, &FramePayload)| told.is_about(found);
        if self.frames.len() == found.len() && self.frames.iter().zip(found).all(fits) {
            return Ok(());
        }
        Err(frame.damaged("it does not fit the frames before it"))
    }

    /// Compares it with the frames and hosts that are there.
    pub(super) fn check(
        &self,
        frame: &Frame,
        found: &[FramePayload],
        hosts: &[HostPayload],
    ) -> Result<(), BundleError> {
        self.check_frames(frame, found)?;
        let names = self.hosts.iter().map(|(host, herd)| (host, herd));
        if !names.eq(hosts.iter().map(|host| (&host.host, &host.herd))) {
            return Err(frame.damaged("its names are not those of the hosts"));
        }
        Ok(())
    }
}
