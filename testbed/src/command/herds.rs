//! How many hosts of which role: `--roles web=80,db=20`, and `--hosts` where all have the usual one.

use herdiff_testbed::fleet::{FleetPlan, Role};

/// So many hosts of a role.
pub(crate) type Herd = (Role, u32);

/// `ROLE=N`.
pub(crate) fn herd(text: &str) -> Result<Herd, String> {
    let (role, hosts) = text.split_once('=').ok_or("this has to be ROLE=N, as in web=80")?;
    let role = role.parse().map_err(|error: herdiff_testbed::fleet::UnknownRole| error.to_string())?;
    match hosts.parse() {
        Ok(hosts @ 1..=100_000) => Ok((role, hosts)),
        _ => Err(format!("`{hosts}` is no number of hosts: it has to be 1 to 100000")),
    }
}

/// A plan for each role, or for that many hosts of the usual one.
pub(crate) fn plans(herds: &[Herd], hosts: u32, common: &FleetPlan) -> Result<Vec<FleetPlan>, String> {
    let named = |role: Role| herds.iter().filter(|(other, _)| *other == role).count();
    match herds.iter().find(|(role, _)| named(*role) > 1) {
        Some((role, _)) => Err(format!("--roles names {role} twice")),
        None if herds.is_empty() => Ok(FleetPlan::herds(common, &[(common.role, hosts)])),
        None => Ok(FleetPlan::herds(common, herds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_herd_is_a_role_and_a_number() {
        assert_eq!(herd("db=20"), Ok((Role::Database, 20)));
        assert_eq!(herd("db").unwrap_err(), "this has to be ROLE=N, as in web=80");
        assert_eq!(herd("mail=3").unwrap_err(), "there is no role `mail`; there are: web, db, lb");
        assert_eq!(herd("db=0").unwrap_err(), "`0` is no number of hosts: it has to be 1 to 100000");
    }

    #[test]
    fn each_role_has_a_plan_of_its_own() {
        let usual = FleetPlan::default();
        let names = |herds: &[Herd]| {
            plans(herds, 3, &usual)
                .map(|plans| plans.iter().flat_map(FleetPlan::names).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names(&[]).unwrap(), "web-01 web-02 web-03");
        assert_eq!(names(&[(Role::Database, 2), (Role::Web, 1)]).unwrap(), "db-01 db-02 web-01");
        assert_eq!(names(&[(Role::Web, 2), (Role::Web, 1)]).unwrap_err(), "--roles names web twice");
    }
}
