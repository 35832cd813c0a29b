use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// A switch as it really is, and what is known of it.
#[derive(Debug, Clone, Default)]
struct Switch {
    reachable: bool,
    fit: bool,
    /// By its database, and by what was seen of that.
    bound: bool,
    seen_bound: bool,
    /// Its hardware does what the database said a moment ago.
    forwards: bool,
    /// A binding, or its end, under way to it.
    asked: Option<bool>,
    /// It was asked to let go, or was seen to, within the hold.
    held: bool,
    released: bool,
}

impl Switch {
    fn standing(&self) -> Standing {
        Standing {
            reachable: self.reachable,
            fit: self.fit,
            bound: self.seen_bound,
            forwards: self.seen_bound || self.held,
            released: self.released && !self.seen_bound,
        }
    }

    fn act(&mut self) {
        self.bound = self.asked.take().unwrap_or(self.bound);
        self.see();
    }

    fn see(&mut self) {
        if self.reachable {
            if self.seen_bound && !self.bound {
                (self.held, self.released) = (true, true);
            }
            self.seen_bound = self.bound;
        }
    }
}

#[derive(Debug, Clone, Default)]
struct World {
    switches: [Switch; 2],
    election: Option<Election>,
}

#[derive(Debug, Clone)]
enum Step {
    Reach(usize, bool),
    Fault(usize, bool),
    /// A worker asks its switch to be as it should be, if it can.
    Ask(usize),
    /// The switch's database does what was asked.
    Act(usize),
    /// Its hardware does.
    Forward(usize),
    /// The hold is over: all that was under way has arrived.
    Pass,
    Decide,
}

fn names() -> [String; 2] {
    ["a".to_owned(), "b".to_owned()]
}

impl World {
    fn decide(&mut self, active_active: ActiveActive, failover_unreachable: bool, settled: bool) {
        let names = names();
        let question = Question {
            gateway: GatewayId(Uuid::nil()),
            network: NetworkId(Uuid::from_u128(7)),
            config: GatewayConfig { active_active, failover_unreachable, ..GatewayConfig::default() },
            switches: &names,
            settled,
            young: false,
            current: self.election.as_ref(),
        };
        let standings = [self.switches[0].standing(), self.switches[1].standing()];
        let before = self.forwarder();
        self.election = question.answer(|name| standings[usize::from(name == "b")]);
        let after = self.forwarder();
        if before != after {
            if let Some(i) = before {
                (self.switches[i].held, self.switches[i].released) = (true, false);
            }
            if let Some(i) = after {
                (self.switches[i].held, self.switches[i].released) = (false, false);
            }
        }
    }

    fn forwarder(&self) -> Option<usize> {
        self.election.as_ref()?.forwarder.as_deref().map(|name| usize::from(name == "b"))
    }

    fn take(&mut self, step: &Step, active_active: ActiveActive, failover_unreachable: bool) {
        match *step {
            Step::Reach(i, is) => {
                self.switches[i].reachable = is;
                self.switches[i].see();
            }
            Step::Fault(i, is) => self.switches[i].fit = !is,
            Step::Ask(i) if self.switches[i].reachable && self.switches[i].asked.is_none() => {
                let alone = active_active == ActiveActive::SingleActive;
                self.switches[i].asked = Some(!alone || self.forwarder() == Some(i));
            }
            Step::Ask(_) => {}
            Step::Act(i) => self.switches[i].act(),
            Step::Forward(i) => self.switches[i].forwards = self.switches[i].bound,
            Step::Pass => {
                for switch in &mut self.switches {
                    switch.held = false;
                    switch.act();
                    switch.forwards = switch.bound;
                }
            }
            Step::Decide => self.decide(active_active, failover_unreachable, true),
        }
    }

    /// Time goes by.
    fn settle(&mut self, active_active: ActiveActive, failover_unreachable: bool) {
        for _ in 0..4 {
            for step in [Step::Decide, Step::Ask(0), Step::Ask(1), Step::Act(0), Step::Act(1), Step::Pass] {
                self.take(&step, active_active, failover_unreachable);
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0usize..2, any::<bool>()).prop_map(|(i, is)| Step::Reach(i, is)),
        1 => (0usize..2, any::<bool>()).prop_map(|(i, is)| Step::Fault(i, is)),
        3 => (0usize..2).prop_map(Step::Ask),
        3 => (0usize..2).prop_map(Step::Act),
        2 => (0usize..2).prop_map(Step::Forward),
        1 => Just(Step::Pass),
        4 => Just(Step::Decide),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// Whatever fails whenever: in single-active never do both forward, and it always ends with one of them.
    #[test]
    fn single_active_never_has_both_forward(steps in steps()) {
        let mut world = World::default();
        for step in &steps {
            world.take(step, ActiveActive::SingleActive, false);
            prop_assert!(!(world.switches[0].bound && world.switches[1].bound), "{world:?}");
            prop_assert!(!(world.switches[0].forwards && world.switches[1].forwards), "{world:?}");
        }
        for i in 0..2 {
            world.take(&Step::Reach(i, true), ActiveActive::SingleActive, false);
            world.take(&Step::Fault(i, false), ActiveActive::SingleActive, false);
        }
        world.settle(ActiveActive::SingleActive, false);
        prop_assert!(world.switches[0].forwards != world.switches[1].forwards, "{world:?}");
    }

    /// With `failover_unreachable`, one that is fit is bound in the end, whatever became of the other.
    #[test]
    fn an_unreachable_switch_is_passed_over_where_the_operator_says_so(steps in steps(), last in 0usize..2) {
        let mut world = World::default();
        for step in &steps {
            world.take(step, ActiveActive::SingleActive, true);
        }
        world.take(&Step::Reach(last, true), ActiveActive::SingleActive, true);
        world.take(&Step::Fault(last, false), ActiveActive::SingleActive, true);
        world.take(&Step::Reach(1 - last, false), ActiveActive::SingleActive, true);
        world.settle(ActiveActive::SingleActive, true);
        prop_assert!(world.switches[last].forwards, "{world:?}");
    }

    /// In a bundle the forwarder is always one that can, if any can; who stands and can, stays.
    #[test]
    fn a_bundles_forwarder_can_and_stays(steps in steps()) {
        let mut world = World::default();
        for step in &steps {
            let before = world.election.clone();
            world.take(step, ActiveActive::Lag, false);
            let (Step::Decide, Some(election)) = (step, &world.election) else { continue };
            let can = |i: usize| world.switches[i].reachable && world.switches[i].fit && world.switches[i].seen_bound;
            let able: Vec<String> = (0..2).filter(|i| can(*i)).map(|i| names()[i].clone()).collect();
            let forwarder = election.forwarder.clone().unwrap();
            if able.is_empty() {
                prop_assert!(before.is_none_or(|before| before == *election), "the last one stays");
            } else {
                prop_assert_eq!(&election.eligible, &able);
                prop_assert!(able.contains(&forwarder));
                if let Some(stood) = before.and_then(|before| before.forwarder).filter(|name| able.contains(name)) {
                    prop_assert_eq!(stood, forwarder);
                }
            }
        }
    }
}

#[test]
fn after_a_start_nothing_changes_until_both_have_reported() {
    let mut world = World::default();
    let up = Switch { reachable: true, fit: true, bound: true, seen_bound: true, ..Switch::default() };
    world.switches = [up.clone(), up.clone()];
    world.decide(ActiveActive::Lag, false, true);
    let stood = world.election.clone();
    world.switches = Default::default();
    world.decide(ActiveActive::Lag, false, false);
    assert_eq!(world.election, stood);
    world.switches = [up, Switch::default()];
    world.decide(ActiveActive::Lag, false, true);
    assert_eq!(world.election.unwrap().forwarder.as_deref(), Some("a"));
}

/// A switch that reboots tells of faults first, and is gone then. It has let go: nobody waits for its return.
#[test]
fn who_was_seen_to_let_go_may_go_away() {
    let mut world = World::default();
    for i in 0..2 {
        world.take(&Step::Reach(i, true), ActiveActive::SingleActive, false);
    }
    world.take(&Step::Fault(0, false), ActiveActive::SingleActive, false);
    world.settle(ActiveActive::SingleActive, false);
    assert!(world.switches[0].forwards);
    for step in [Step::Fault(0, true), Step::Fault(1, false), Step::Decide, Step::Ask(0), Step::Act(0)] {
        world.take(&step, ActiveActive::SingleActive, false);
    }
    for step in [Step::Reach(0, false), Step::Decide] {
        world.take(&step, ActiveActive::SingleActive, false);
        assert_eq!(world.forwarder(), None, "its hardware may forward still");
    }
    world.settle(ActiveActive::SingleActive, false);
    assert!(world.switches[1].forwards, "{world:?}");
}
