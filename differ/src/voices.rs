//! Counts on how many hosts each thing is, and how many hosts have anything as rare: one host has one voice, whatever it sends.

use crate::identity::HostIdentities;

/// For things that are numbered, on how many hosts each is.
pub(crate) struct Voices {
    hosts: Vec<u32>,
    /// The host, plus one, that was counted last.
    last: Vec<u32>,
}

impl Voices {
    pub(crate) fn new(things: usize) -> Self {
        Self { hosts: vec![0; things], last: vec![0; things] }
    }

    /// Counts a host for a thing, once.
    pub(crate) fn count(&mut self, thing: u32, host: u32) {
        let at = thing as usize;
        if let (Some(last), Some(hosts)) = (self.last.get_mut(at), self.hosts.get_mut(at))
            && *last != host + 1
        {
            *last = host + 1;
            *hosts += 1;
        }
    }

    pub(crate) fn hosts(&self, thing: u32) -> u32 {
        self.hosts.get(thing as usize).copied().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Forgets what is only needed while counting.
    pub(crate) fn settle(&mut self) {
        self.last = Vec::new();
    }
}

/// How many hosts have something as rare as a given number of hosts.
pub(crate) struct Tail(Vec<u32>);

impl Tail {
    /// From the rarest thing of each host, as the number of hosts that have it.
    pub(crate) fn of(rarest: impl Iterator<Item = u32>, hosts: usize) -> Self {
        let mut tail = vec![0u32; hosts + 2];
        for count in rarest {
            tail.get_mut(count as usize).into_iter().for_each(|hosts| *hosts += 1);
        }
        let mut sum = 0;
        for hosts in &mut tail {
            sum += *hosts;
            *hosts = sum;
        }
        Self(tail)
    }

    pub(crate) fn hosts(&self, as_rare_as: u32) -> u32 {
        self.0.get(as_rare_as as usize).or(self.0.last()).copied().unwrap_or_default()
    }
}

/// The same within groups of things: sorted pairs of a group and the rarest that one host has in it.
pub(crate) struct GroupTails(Vec<(u32, u32)>);

impl GroupTails {
    pub(crate) fn of(mut rarest: Vec<(u32, u32)>) -> Self {
        rarest.sort_unstable();
        Self(rarest)
    }

    pub(crate) fn hosts(&self, group: u32, as_rare_as: u32) -> u32 {
        let start = self.0.partition_point(|&(other, _)| other < group);
        let end = self.0.partition_point(|&pair| pair <= (group, as_rare_as));
        end.saturating_sub(start) as u32
    }
}

/// The rarest thing that the host at hand has, for each group, without a map.
pub(crate) struct Rarest {
    host: Vec<u32>,
    rarest: Vec<u32>,
    touched: Vec<u32>,
}

impl Rarest {
    pub(crate) fn new(groups: usize) -> Self {
        Self { host: vec![0; groups], rarest: vec![0; groups], touched: Vec::new() }
    }

    pub(crate) fn see(&mut self, group: u32, count: u32, host: u32) {
        let at = group as usize;
        let (Some(last), Some(rarest)) = (self.host.get_mut(at), self.rarest.get_mut(at)) else { return };
        if *last == host + 1 {
            *rarest = count.min(*rarest);
        } else {
            (*last, *rarest) = (host + 1, count);
            self.touched.push(group);
        }
    }

    /// What was seen of this host.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u32, u32)> {
        let rarest = &self.rarest;
        self.touched.drain(..).map(|group| (group, rarest.get(group as usize).copied().unwrap_or_default()))
    }
}

/// All hosts, numbered over both sides.
pub(crate) fn numbered<'h>(
    sides: &[&'h [HostIdentities]],
) -> impl Iterator<Item = (u32, &'h HostIdentities)> {
    (0..).zip(sides.iter().flat_map(|hosts| hosts.iter()).collect::<Vec<_>>())
}
