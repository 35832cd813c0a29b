use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// Two switches, as they really are.
#[derive(Debug, Clone, Default)]
struct World {
    switches: [Standing; 2],
    election: Option<Election>,
}

#[derive(Debug, Clone)]
enum Step {
    Reach(usize, bool),
    Fault(usize, bool),
    /// A worker makes its switch as it should be, if it can.
    Act(usize),
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
            config: GatewayConfig { active_active, failover_unreachable },
            switches: &names,
            settled,
            current: self.election.as_ref(),
        };
        let switches = self.switches;
        self.election = question.answer(|name| switches[usize::from(name == "b")]);
    }

    fn take(&mut self, step: &Step, active_active: ActiveActive, failover_unreachable: bool) {
        match *step {
            Step::Reach(i, is) => self.switches[i].reachable = is,
            Step::Fault(i, is) => self.switches[i].fit = !is,
            Step::Act(i) if self.switches[i].reachable => {
                let forwarder = self.election.as_ref().and_then(|election| election.forwarder.as_deref());
                let alone = active_active == ActiveActive::SingleActive;
                self.switches[i].bound = !alone || forwarder == Some(names()[i].as_str());
            }
            Step::Act(_) => {}
            Step::Decide => self.decide(active_active, failover_unreachable, true),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0usize..2, any::<bool>()).prop_map(|(i, is)| Step::Reach(i, is)),
        1 => (0usize..2, any::<bool>()).prop_map(|(i, is)| Step::Fault(i, is)),
        3 => (0usize..2).prop_map(Step::Act),
        4 => Just(Step::Decide),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// Whatever fails whenever: in single-active both are never bound at once, and it always ends with one of them.
    #[test]
    fn single_active_never_binds_both(steps in steps()) {
        let mut world = World::default();
        for step in &steps {
            world.take(step, ActiveActive::SingleActive, false);
            prop_assert!(!(world.switches[0].bound && world.switches[1].bound), "{world:?}");
        }
        for i in 0..2 {
            (world.switches[i].reachable, world.switches[i].fit) = (true, true);
        }
        for _ in 0..4 {
            for step in [Step::Decide, Step::Act(0), Step::Act(1)] {
                world.take(&step, ActiveActive::SingleActive, false);
                prop_assert!(!(world.switches[0].bound && world.switches[1].bound), "{world:?}");
            }
        }
        prop_assert!(world.switches[0].bound != world.switches[1].bound, "{world:?}");
    }

    /// With `failover_unreachable`, one that is fit is bound in the end, whatever became of the other.
    #[test]
    fn an_unreachable_switch_is_passed_over_where_the_operator_says_so(steps in steps(), last in 0usize..2) {
        let mut world = World::default();
        for step in &steps {
            world.take(step, ActiveActive::SingleActive, true);
        }
        (world.switches[last].reachable, world.switches[last].fit) = (true, true);
        world.switches[1 - last].reachable = false;
        for _ in 0..4 {
            world.take(&Step::Decide, ActiveActive::SingleActive, true);
            world.take(&Step::Act(last), ActiveActive::SingleActive, true);
        }
        prop_assert!(world.switches[last].bound, "{world:?}");
    }

    /// In a bundle the forwarder is always one that can, if any can; who stands and can, stays.
    #[test]
    fn a_bundles_forwarder_can_and_stays(steps in steps()) {
        let mut world = World::default();
        for step in &steps {
            let before = world.election.clone();
            world.take(step, ActiveActive::Lag, false);
            let (Step::Decide, Some(election)) = (step, &world.election) else { continue };
            let can = |i: usize| world.switches[i].reachable && world.switches[i].fit && world.switches[i].bound;
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
    let up = Standing { reachable: true, fit: true, bound: true };
    world.switches = [up, up];
    world.decide(ActiveActive::Lag, false, true);
    let stood = world.election.clone();
    world.switches = [Standing::default(); 2];
    world.decide(ActiveActive::Lag, false, false);
    assert_eq!(world.election, stood);
    world.switches = [up, Standing::default()];
    world.decide(ActiveActive::Lag, false, true);
    assert_eq!(world.election.unwrap().forwarder.as_deref(), Some("a"));
}
