//! What is to be known before a fleet can be described.

use super::host::Role;
use serde::{Deserialize, Serialize};

/// What is to be known before a fleet can be described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetPlan {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many hosts.
    pub hosts: u32,
    /// What they are for.
    pub role: Role,
    /// How many hosts of other herds have their addresses before these.
    pub beside: u32,
    /// When they are looked at, in seconds since 1970.
    pub now: u64,
    /// How different life has made them.
    pub noise: Noise,
}

/// How different life has made the hosts of a herd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Noise {
    /// A herd that is looked after.
    Usual,
    /// As herds really are: also services not restarted after an upgrade, leftovers of debugging, crashed agents,
    /// people at work.
    Hard,
}

/// Hosts that were made together, as an autoscaling group does.
#[derive(Clone, Debug)]
pub(super) struct Wave {
    /// The number of its last host.
    pub(super) last: u32,
    pub(super) installed: u64,
    pub(super) booted: u64,
    /// Within how many seconds they were started.
    pub(super) boot_spread: u64,
}

const DAY: u64 = 86_400;

impl Default for FleetPlan {
    fn default() -> Self {
        Self { seed: 1, hosts: 24, role: Role::Web, beside: 0, now: 1_760_000_000, noise: Noise::Usual }
    }
}

impl FleetPlan {
    /// A plan for each herd of a fleet, alike in all else.
    pub fn herds(common: &Self, herds: &[(Role, u32)]) -> Vec<Self> {
        let mut beside = 0;
        let plan = |&(role, hosts): &(Role, u32)| {
            let plan = Self { role, hosts, beside, ..common.clone() };
            beside += hosts;
            plan
        };
        herds.iter().map(plan).collect()
    }

    /// The names of its hosts, in order.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.hosts).map(|number| self.host_name(number))
    }

    /// The name of the host with that number. As many digits as the largest number has, but at least two.
    pub fn host_name(&self, number: u32) -> String {
        let digits = self.hosts.max(10).ilog10() as usize + 1;
        format!("{}-{number:0digits$}", self.role.name())
    }

    /// Two thirds are old and were restarted here and there for new kernels, the rest is new.
    pub(super) fn waves(&self) -> Vec<Wave> {
        let old = self.hosts * 2 / 3;
        vec![
            Wave {
                last: old,
                installed: self.now - 210 * DAY,
                booted: self.now - 81 * DAY,
                boot_spread: 30 * DAY,
            },
            Wave {
                last: self.hosts,
                installed: self.now - 6 * DAY,
                booted: self.now - 6 * DAY,
                boot_spread: 5400,
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_numbers_do() {
        let plan = |hosts| FleetPlan { hosts, ..FleetPlan::default() };
        assert_eq!(plan(3).host_name(1), "web-01");
        assert_eq!(plan(24).host_name(7), "web-07");
        assert_eq!(plan(500).host_name(7), "web-007");
        assert_eq!(plan(1000).host_name(1000), "web-1000");
    }
}
