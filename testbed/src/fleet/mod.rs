//! Described fleets: herds of hosts of one role each, made from its image, and made different by life and by attackers.
//!
//! Everything here is a pure function of the plan: no clock, no file system, no other source of chance than its seed.

pub mod file;
pub mod host;
mod image;
pub mod network;
mod plan;
pub mod process;
mod role;
mod variety;

pub use plan::{FleetPlan, Noise};
pub use role::{Role, UnknownRole};

use crate::attack::{Attack, Planted};
use crate::dice::Dice;
use host::Host;
use image::Birth;
pub(crate) use image::{PYTHON, refresh};
use thiserror::Error;

/// A described fleet.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Its hosts, herd by herd, in the order of their numbers.
    pub hosts: Vec<Host>,
    /// What was planted where.
    pub planted: Vec<Planted>,
    dice: Dice,
}

/// Why an attack cannot be planted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FleetError {
    /// There is no such host.
    #[error("there is no host `{host}`; hosts are {first} to {last}")]
    NoSuchHost {
        /// What was asked for.
        host: String,
        /// The first host there is.
        first: String,
        /// The last one.
        last: String,
    },
}

impl Fleet {
    /// Makes the fleet of several plans, each of which is a herd.
    pub fn of(plans: &[FleetPlan]) -> Self {
        let hosts = plans.iter().flat_map(|plan| Self::grow(plan).hosts).collect();
        let dice = Dice::new(plans.first().map_or(0, |plan| plan.seed));
        Self { hosts, planted: Vec::new(), dice }
    }

    /// Makes the fleet of a plan: one herd.
    pub fn grow(plan: &FleetPlan) -> Self {
        let dice = Dice::new(plan.seed);
        let waves = plan.waves();
        let mut hosts = Vec::with_capacity(plan.hosts as usize);
        for number in 1..=plan.hosts {
            let name = plan.host_name(number);
            let own = dice.named("host").named(&name);
            let Some(wave) = waves.iter().find(|wave| number <= wave.last) else { continue };
            let place = plan.beside + number;
            let birth = Birth { name, role: plan.role, place, now: plan.now, wave, fleet: &dice, own };
            hosts.push(image::host(&birth));
        }
        variety::live(&mut hosts, &dice, plan.noise);
        Self { hosts, planted: Vec::new(), dice }
    }

    /// Plants an attack on a host and notes what it makes odd there.
    ///
    /// # Errors
    /// Where there is no such host.
    pub fn plant(&mut self, name: &str, attack: Attack) -> Result<(), FleetError> {
        let end = |host: Option<&Host>| host.map(|host| host.name.clone()).unwrap_or_default();
        let missing = FleetError::NoSuchHost {
            host: name.to_owned(),
            first: end(self.hosts.first()),
            last: end(self.hosts.last()),
        };
        let host = self.hosts.iter_mut().find(|host| host.name == name).ok_or(missing)?;
        let dice = self.dice.named("attack").named(attack.name()).named(name);
        let traces = attack.plant(host, &dice);
        self.planted.push(Planted { host: name.to_owned(), attack, traces });
        Ok(())
    }

    /// The names of its hosts.
    pub fn names(&self) -> Vec<String> {
        self.hosts.iter().map(|host| host.name.clone()).collect()
    }

    /// A host by name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64, hosts: u32) -> FleetPlan {
        FleetPlan { seed, hosts, ..FleetPlan::default() }
    }

    /// A herd of each role, with all the noise that there is.
    fn one_of_each(hosts: u32) -> Fleet {
        let herds: Vec<_> = Role::ALL.iter().map(|&role| (role, hosts)).collect();
        let common = FleetPlan { noise: Noise::Hard, ..FleetPlan::default() };
        Fleet::of(&FleetPlan::herds(&common, &herds))
    }

    #[test]
    fn a_seed_describes_one_fleet() {
        let text = |seed| format!("{:?}", Fleet::grow(&plan(seed, 6)));
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn a_host_of_the_image_is_the_size_of_a_real_one() {
        let usual =
            FleetPlan::herds(&plan(1, 24), &[(Role::Web, 24), (Role::Database, 24), (Role::Balancer, 6)]);
        for host in Fleet::of(&usual).hosts {
            let (processes, sockets) = (host.processes.len(), host.sockets.len());
            assert!((45..90).contains(&processes), "{}: {processes} processes", host.name);
            assert!((25..60).contains(&sockets), "{}: {sockets} sockets", host.name);
            assert!(host.packages.len() >= 250);
            let setuid = host.files.iter().filter(|(_, file)| file.mode & 0o6000 != 0).count();
            assert!((10..=20).contains(&setuid), "{setuid} setuid files");
        }
    }

    #[test]
    fn numbers_are_used_once_on_a_host() {
        for host in one_of_each(12).hosts {
            let mut pids: Vec<_> = host.processes.iter().map(|process| process.pid).collect();
            pids.sort();
            pids.dedup();
            assert_eq!(pids.len(), host.processes.len(), "{}", host.name);
            let known = |pid: &u32| pids.binary_search(pid).is_ok();
            assert!(host.sockets.iter().all(|socket| socket.owners.iter().all(known)), "{}", host.name);
            assert!(host.processes.iter().all(|process| process.parent == 0 || known(&process.parent)));
            assert!(host.processes.iter().all(|process| process.started <= host.clock.now));
            assert!(host.processes.iter().all(|process| process.started >= host.clock.booted));
        }
    }

    #[test]
    fn every_program_that_runs_has_a_file_unless_deleted() {
        for host in one_of_each(24).hosts {
            for process in &host.processes {
                if let process::Program::File(path) = &process.program {
                    assert!(host.files.get(path).is_some(), "{}: {path}", host.name);
                }
            }
        }
    }

    #[test]
    fn herds_of_one_fleet_share_nothing_that_is_a_host_s_own() {
        let fleet = one_of_each(5);
        assert_eq!(fleet.names().len(), 5 * Role::ALL.len());
        let mut addresses: Vec<_> = fleet.hosts.iter().map(|host| host.address).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), fleet.hosts.len());
        for host in &fleet.hosts {
            let role = host.role;
            assert!(host.name.starts_with(role.name()), "{}", host.name);
            assert!(host.process(role.front().process).is_some(), "{}", host.name);
            let others = Role::ALL.iter().filter(|&&other| other != role);
            let has = |other: &Role| host.process(other.front().process).is_some();
            assert!(!others.clone().any(has), "{}", host.name);
            let packages = |name: &str| host.package(name).is_some();
            assert_eq!(packages("postgresql-15"), role == Role::Database, "{}", host.name);
            assert_eq!(packages("nginx"), role == Role::Web, "{}", host.name);
        }
        // The web servers are the same, whoever is beside them.
        let alone = Fleet::grow(&FleetPlan { hosts: 5, noise: Noise::Hard, ..FleetPlan::default() });
        assert_eq!(format!("{:?}", fleet.hosts.first()), format!("{:?}", alone.hosts.first()));
    }

    #[test]
    fn every_attack_fits_every_role() {
        let mut fleet = one_of_each(4);
        for name in ["web-02", "db-02", "lb-02"] {
            for &attack in Attack::ALL {
                fleet.plant(name, attack).unwrap();
            }
            let host = fleet.host(name).unwrap();
            let front = host.role.front();
            let child =
                host.processes.iter().find(|process| process.program.path() == "/usr/bin/dash").unwrap();
            assert_eq!((child.uid, child.gid), front.account, "{name}");
            let parent = host.processes.iter().find(|process| process.pid == child.parent).unwrap();
            assert_eq!(parent.name, front.process, "{name}");
        }
        assert!(fleet.planted.iter().all(|planted| !planted.traces.is_empty()));
    }

    #[test]
    fn hosts_differ_as_a_herd_does() {
        let fleet = Fleet::grow(&plan(1, 24));
        let having = |test: &dyn Fn(&Host) -> bool| fleet.hosts.iter().filter(|&host| test(host)).count();
        let upgraded = having(&|host| host.package("nginx").is_some_and(|p| p.version.ends_with("u4")));
        assert!((6..=10).contains(&upgraded), "{upgraded} hosts have the newer nginx");
        assert_eq!(having(&|host| host.kernel.release.contains("-40-")), 1, "one canary");
        let keys = |host: &Host| {
            host.users.iter().flat_map(|user| &user.keys).any(|key| key.comment.starts_with("carol"))
        };
        assert_eq!(having(&|host| keys(host)), 3, "three hosts have one more admin's key");
    }

    #[test]
    fn an_unknown_host_is_named() {
        let error = Fleet::grow(&plan(1, 3)).plant("web-99", Attack::CronImplant).unwrap_err();
        assert_eq!(error.to_string(), "there is no host `web-99`; hosts are web-01 to web-03");
    }
}
