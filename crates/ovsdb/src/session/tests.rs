use proptest::{collection::vec, prelude::*};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

// ===== Backoff =====

#[test]
fn the_wait_doubles_from_one_second_to_eight() {
    let now = Instant::now();
    let mut backoff = Backoff::default();
    let waits: Vec<f64> = (0..6).map(|_| backoff.failed(now, 0.5).as_secs_f64()).collect();
    assert_eq!(waits, [1.125, 2.0, 4.0, 7.0, 7.0, 7.0]);
}

#[test]
fn a_connection_that_lived_and_answered_starts_the_wait_over() {
    let start = Instant::now();
    let mut backoff = Backoff::default();
    backoff.failed(start, 0.0);
    backoff.failed(start, 0.0);
    backoff.connected(start);
    backoff.replied();
    assert_eq!(backoff.closed(start + seconds(5), 0.0), SECOND, "it lived longer than the 4 s that were due");
}

#[test]
fn a_connection_that_died_young_or_never_answered_does_not() {
    for (lived, replied) in [(seconds(1), true), (seconds(3600), false), (Duration::ZERO, false)] {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        backoff.failed(start, 0.0);
        backoff.connected(start);
        if replied {
            backoff.replied();
        }
        assert_eq!(backoff.closed(start + lived, 0.0), Duration::from_millis(1500), "{lived:?} {replied}");
    }
}

#[test]
fn a_server_that_accepts_and_dies_is_not_hammered() {
    let start = Instant::now();
    let mut now = start;
    let mut backoff = Backoff::default();
    let mut attempts = 0;
    while now < start + seconds(3600) {
        attempts += 1;
        backoff.connected(now);
        backoff.replied();
        now += Duration::from_millis(100);
        now += backoff.closed(now, 0.0);
    }
    assert!(attempts < 3600 / 6 + 5, "{attempts} attempts in an hour");
}

proptest! {
    #[test]
    fn waits_stay_between_one_second_and_eight(
        steps in vec((0..3_u8, 0..20_000_u64, any::<f64>()), 0..60),
    ) {
        let mut now = Instant::now();
        let mut backoff = Backoff::default();
        for (step, millis, random) in steps {
            now += Duration::from_millis(millis);
            match step {
                0 => backoff.connected(now),
                1 => backoff.replied(),
                _ => {
                    let wait = backoff.failed(now, random);
                    prop_assert!((SECOND..=seconds(8)).contains(&wait), "{:?}", wait);
                }
            }
        }
    }
}

// ===== Liveness =====

fn liveness(now: Instant) -> Liveness {
    Liveness::new(now, seconds(5), seconds(30))
}

#[test]
fn a_silent_peer_is_probed_and_then_given_up() {
    let start = Instant::now();
    let mut liveness = liveness(start);
    assert_eq!(liveness.poll(start), ProbeAction::WaitUntil(Some(start + seconds(5))));
    assert_eq!(liveness.poll(start + seconds(5)), ProbeAction::SendProbe);
    assert_eq!(
        liveness.poll(start + seconds(5)),
        ProbeAction::WaitUntil(Some(start + seconds(35))),
        "one probe is enough"
    );
    assert_eq!(liveness.poll(start + seconds(35)), ProbeAction::Disconnect { silence: seconds(35) });
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let start = Instant::now();
    let mut liveness = liveness(start);
    assert_eq!(liveness.poll(start + seconds(5)), ProbeAction::SendProbe);
    liveness.heard(start + seconds(34));
    assert_eq!(liveness.poll(start + seconds(35)), ProbeAction::WaitUntil(Some(start + seconds(39))));
}

#[test]
fn patience_may_change_while_a_probe_is_under_way() {
    let start = Instant::now();
    let mut liveness = liveness(start);
    liveness.poll(start + seconds(5));
    liveness.set_patience(seconds(120));
    assert_eq!(liveness.poll(start + seconds(60)), ProbeAction::WaitUntil(Some(start + seconds(125))));
    liveness.set_patience(seconds(10));
    assert_eq!(liveness.poll(start + seconds(60)), ProbeAction::Disconnect { silence: seconds(60) });
}

#[test]
fn the_wire_is_looked_at_while_a_probe_is_unanswered() {
    let start = Instant::now();
    let mut liveness = liveness(start).with_wire();
    assert_eq!(liveness.poll(start + seconds(5)), ProbeAction::SendProbe);
    for look in [10, 15, 20, 25, 30] {
        assert_eq!(liveness.poll(start + seconds(look - 1)), ProbeAction::WaitUntil(Some(start + seconds(look))));
        let wanted = ProbeAction::LookAtWire { silence: seconds(look), bound: seconds(5) };
        assert_eq!(liveness.poll(start + seconds(look)), wanted);
    }
    assert_eq!(liveness.poll(start + seconds(35)), ProbeAction::Disconnect { silence: seconds(35) });
    // With frequent probes, the other kernel still has a second.
    let mut liveness = Liveness::new(start, SECOND / 4, SECOND * 6).with_wire();
    assert_eq!(liveness.poll(start + SECOND / 4), ProbeAction::SendProbe);
    assert_eq!(liveness.poll(start + SECOND), ProbeAction::WaitUntil(Some(start + SECOND * 5 / 4)));
}

#[test]
fn probe_zero_never_probes() {
    let start = Instant::now();
    let mut liveness = Liveness::new(start, Duration::ZERO, SECOND);
    assert_eq!(liveness.poll(start + seconds(86_400)), ProbeAction::WaitUntil(None));
}

proptest! {
    /// A peer in virtual time that answers each probe after `delay`, and freezes now and then for longer.
    #[test]
    fn a_peer_that_answers_within_our_patience_is_never_given_up(
        delays in vec(0..30_000_u64, 1..200),
    ) {
        let mut now = Instant::now();
        let mut liveness = liveness(now);
        for delay in delays {
            let answered = loop {
                match liveness.poll(now) {
                    ProbeAction::WaitUntil(Some(moment)) => now = moment.max(now),
                    ProbeAction::SendProbe => break now + Duration::from_millis(delay),
                    other => prop_assert!(false, "{:?}", other),
                }
            };
            match liveness.poll(answered) {
                ProbeAction::WaitUntil(Some(moment)) => prop_assert!(moment > answered),
                other => prop_assert!(false, "{:?} after {} ms", other, delay),
            }
            now = answered;
            liveness.heard(now);
        }
    }

    /// Whatever it heard before: a peer that falls silent is given up after probe + patience, and not earlier.
    #[test]
    fn a_dead_peer_is_given_up_in_time(gaps in vec(0..4_999_u64, 0..20)) {
        let mut now = Instant::now();
        let mut liveness = liveness(now);
        for gap in gaps {
            now += Duration::from_millis(gap);
            prop_assert!(matches!(liveness.poll(now), ProbeAction::WaitUntil(_)));
            liveness.heard(now);
        }
        let silent_since = now;
        let mut probes = 0;
        loop {
            match liveness.poll(now) {
                ProbeAction::WaitUntil(Some(moment)) => now = moment,
                ProbeAction::SendProbe => probes += 1,
                ProbeAction::Disconnect { silence } => {
                    prop_assert_eq!(silence, seconds(35));
                    break;
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!((probes, now - silent_since), (1, seconds(35)));
    }
}

// ===== Allowance =====

proptest! {
    /// However it is spent, no more passes than the burst, what was earned and what time brings; and it always ends.
    #[test]
    #[allow(clippy::cast_precision_loss)] // Far below 2^52.
    fn an_allowance_keeps_its_rate(
        rate in 1..1000_u32,
        burst in 0..1000_u32,
        spent in vec((0..2000_i64, 0..500_u64), 1..50),
    ) {
        let begun = Instant::now();
        let mut now = begun;
        let mut allowance = Allowance::new(now, rate, burst);
        let mut sum = 0;
        for (amount, pause) in spent {
            now += Duration::from_millis(pause);
            if let Some(due) = allowance.due(now) {
                prop_assert!(due > now && due <= now + Duration::from_secs(31));
                now = due;
                prop_assert_eq!(allowance.due(now), None);
            }
            // A debt beyond half a minute.
            let amount = amount.min(i64::from(rate) * 30);
            allowance.add(now, -amount);
            let allowed = f64::from(burst) + (now - begun).as_secs_f64() * f64::from(rate);
            // The last one may be a debt.
            prop_assert!(sum as f64 <= allowed + 1.0, "{sum} of {allowed}");
            sum += amount;
        }
    }
}

#[test]
fn what_is_earned_may_be_spent_at_once() {
    let now = Instant::now();
    let mut allowance = Allowance::new(now, 10, 100);
    allowance.add(now, -150);
    assert!(allowance.due(now).is_some());
    allowance.add(now, 60);
    assert_eq!(allowance.due(now), None);
    allowance.add(now, 1_000_000);
    allowance.add(now, -101);
    assert!(allowance.due(now).is_some(), "no more is saved than the burst");
}
