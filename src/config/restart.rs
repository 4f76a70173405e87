//! The keys that take effect at a start only.

use super::Settings;

/// Keys that are read at the start only; everything else follows a reload.
pub const NEEDS_RESTART: [&str; 4] = ["listener", "admin", "workers", "access_log"];

impl Settings {
    /// Takes those parts from `running` that cannot change in a running
    /// router; the keys that were different, of [`NEEDS_RESTART`].
    pub(crate) fn keep_from_start(&mut self, running: &Settings) -> Vec<&'static str> {
        let [listener, admin, workers, access_log] = NEEDS_RESTART;
        let mut kept = Vec::new();
        keep(listener, &mut self.listeners, &running.listeners, &mut kept);
        keep(admin, &mut self.admin, &running.admin, &mut kept);
        keep(workers, &mut self.workers, &running.workers, &mut kept);
        keep(access_log, &mut self.access_log, &running.access_log, &mut kept);
        kept
    }
}

fn keep<T: Clone + PartialEq>(
    key: &'static str,
    new: &mut T,
    running: &T,
    kept: &mut Vec<&'static str>,
) {
    if new != running {
        new.clone_from(running);
        kept.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn what_needs_a_restart_stays_and_is_named_and_the_rest_is_new() {
        let running = parse("[[listener]]\naddress = \"127.0.0.1:1\"\n", "p").unwrap();
        let text = "errors.expose_endpoints = true\nadmin.address = \"127.0.0.1:2\"\n\
                    workers.threads = 7\naccess_log.path = \"\"\n\
                    [[listener]]\naddress = \"127.0.0.1:3\"\n";
        let mut new = parse(text, "p").unwrap();
        assert_eq!(new.keep_from_start(&running), super::NEEDS_RESTART);
        assert!(new.errors.expose_endpoints);
        new.errors.expose_endpoints = false;
        assert_eq!(new, running);
        assert!(new.keep_from_start(&running).is_empty());
    }
}
