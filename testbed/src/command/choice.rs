//! Which hosts something is done to: one by its name, so many, or a share of all.

use herdiff_testbed::dice::Dice;

/// Which hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Host(String),
    Number(usize),
    Percent(usize),
}

impl Choice {
    fn parse(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            return Self::Number(number);
        }
        match text.strip_suffix('%').map(str::parse) {
            Some(Ok(percent)) => Self::Percent(percent),
            _ => Self::Host(text.to_owned()),
        }
    }

    /// The names of the hosts, the same every time.
    fn of(&self, names: &[String], what: &str) -> Vec<String> {
        let number = match self {
            Self::Host(name) => return vec![name.clone()],
            Self::Number(number) => *number,
            Self::Percent(percent) => (names.len() * percent).div_ceil(100),
        };
        let mut drawn = names.to_vec();
        Dice::new(1).named("choice").named(what).shuffle(&mut drawn);
        drawn.truncate(number);
        drawn.sort();
        drawn
    }
}

/// `HOST=NAME`.
pub(crate) fn on_host<T>(text: &str) -> Result<(String, T), String>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let (host, name) = text.split_once('=').ok_or("this has to be HOST=NAME, as in web-03=NAME")?;
    Ok((host.to_owned(), name.parse().map_err(|error: T::Err| error.to_string())?))
}

/// `HOST=NAME`, `3=NAME` or `30%=NAME`.
pub(crate) fn on_hosts<T>(text: &str) -> Result<(Choice, T), String>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let (host, name) =
        text.split_once('=').ok_or("this has to be HOST=NAME, as in web-03=NAME, or 3=NAME, or 30%=NAME")?;
    Ok((Choice::parse(host), name.parse().map_err(|error: T::Err| error.to_string())?))
}

/// One pair for each host.
pub(crate) fn spread<T: Copy + std::fmt::Display>(
    choices: &[(Choice, T)],
    names: &[String],
) -> Vec<(String, T)> {
    let each = |(choice, what): &(Choice, T)| {
        let hosts = choice.of(names, &what.to_string());
        hosts.into_iter().map(|host| (host, *what)).collect::<Vec<_>>()
    };
    choices.iter().flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use herdiff_testbed::attack::Attack;
    use herdiff_testbed::fault::Fault;

    #[test]
    fn a_pair_is_a_choice_and_a_name() {
        let host = Choice::Host("web-03".to_owned());
        assert_eq!(on_hosts("web-03=setuid-shell"), Ok((host, Attack::SetuidShell)));
        assert_eq!(on_hosts("30%=hang"), Ok((Choice::Percent(30), Fault::Hang)));
        assert_eq!(on_hosts("3=hang"), Ok((Choice::Number(3), Fault::Hang)));
        assert!(on_hosts::<Fault>("web-03").unwrap_err().starts_with("this has to be HOST=NAME, as in "));
        assert!(on_hosts::<Fault>("web-03=x").unwrap_err().starts_with("there is no fault `x`"));
    }

    #[test]
    fn shares_are_rounded_up_and_drawn_the_same_every_time() {
        let names: Vec<String> = (1..=20).map(|n| format!("web-{n:02}")).collect();
        let of = |text: &str| spread(&[on_hosts::<Fault>(text).unwrap()], &names);
        assert_eq!(of("30%=hang").len(), 6);
        assert_eq!(of("1%=hang").len(), 1);
        assert_eq!(of("3=hang"), of("3=hang"));
        assert_ne!(of("3=hang")[0].0, "web-01");
        assert_eq!(of("web-99=hang"), [("web-99".to_owned(), Fault::Hang)]);
    }
}
