use super::{
    LockState::{Held, Lost, Off, Refused, Requested, Stealing, Unsupported, Waiting},
    *,
};

fn error(text: &str) -> RpcError {
    RpcError { error: text.to_owned(), details: None }
}

/// A lock that was brought into a state by the events that lead there.
fn lock_in(state: &LockState, orphaned: bool, now: Instant) -> Lock {
    let mut lock = Lock::new(orphaned);
    let read_only = error(READ_ONLY);
    let busy = error("busy");
    let unknown = error("unknown method");
    let events: Vec<LockEvent<'_>> = match state {
        LockState::Off => vec![],
        LockState::Requested => vec![LockEvent::Wanted],
        LockState::Unsupported => vec![LockEvent::Wanted, LockEvent::Failed(&unknown)],
        LockState::Waiting => vec![LockEvent::Wanted, LockEvent::Answered(false)],
        LockState::Held { .. } => vec![LockEvent::Wanted, LockEvent::Answered(true)],
        LockState::Lost => vec![LockEvent::Wanted, LockEvent::Answered(true), LockEvent::Stolen],
        LockState::Standby(Standby::ReadOnly) => vec![LockEvent::Wanted, LockEvent::Failed(&read_only)],
        LockState::Standby(Standby::Follower) => vec![LockEvent::Following, LockEvent::Wanted],
        LockState::Standby(Standby::Detached) => vec![LockEvent::Detached, LockEvent::Wanted],
        LockState::Standby(Standby::Relay) => vec![LockEvent::Relaying, LockEvent::Wanted],
        LockState::Refused(_) => vec![LockEvent::Wanted, LockEvent::Failed(&busy)],
        LockState::Stealing => {
            lock = Lock::new(true);
            lock.on(&LockEvent::Wanted, now.checked_sub(ORPHANED).unwrap());
            lock.on(&LockEvent::Answered(false), now.checked_sub(ORPHANED).unwrap());
            vec![LockEvent::Due]
        }
    };
    for event in events {
        lock.on(&event, now);
    }
    assert_eq!(lock.state(), state);
    lock
}

/// What ovsdb-server 3.1 says, being the standby of a replicated pair.
const READ_ONLY: &str = "lock and unlock methods not allowed, DB server is read only.";

/// What becomes of each state, and what is done; `None`: nothing.
type Row = [Option<(LockState, LockAction)>; 11];

/// Every event in every state.
#[test]
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn transitions() {
    use LockAction::{Ask, Begun, Blocked, Contradicted, GiveBack, None as Nothing, Steal, Stopped};
    let first = Held { tenure: 1 };
    let busy = || Refused(error("busy").to_string());
    let (unknown, read_only, other) = (error("unknown method"), error(READ_ONLY), error("busy"));
    let standby = || LockState::Standby(Standby::ReadOnly);
    let follower = || LockState::Standby(Standby::Follower);
    let relay = || LockState::Standby(Standby::Relay);
    let states =
        [Off, Unsupported, Requested, Waiting, Stealing, first.clone(), Lost, standby(), busy(), follower(), relay()];
    let same = || std::array::from_fn::<_, 11, _>(|_| None);
    let with = |changes: Vec<(usize, LockState, LockAction)>| {
        let mut row = same();
        for (index, state, action) in changes {
            row[index] = Some((state, action));
        }
        row
    };
    let table: Vec<(LockEvent<'_>, Row)> = vec![
        (LockEvent::Wanted, with(vec![(0, Requested, Ask)])),
        (
            LockEvent::Unwanted,
            with(vec![
                (1, Off, Nothing),
                (2, Off, GiveBack),
                (3, Off, GiveBack),
                (4, Off, GiveBack),
                (5, Off, GiveBack),
                (6, Off, GiveBack),
                (7, Off, Nothing),
                (8, Off, Nothing),
            ]),
        ),
        (LockEvent::Answered(true), with(vec![(2, first.clone(), Begun), (4, first.clone(), Begun)])),
        // The theft had been blocked before by the same holder: that is no news.
        (LockEvent::Answered(false), with(vec![(2, Waiting, Blocked), (4, Waiting, Nothing)])),
        (LockEvent::Failed(&unknown), with(vec![(2, Unsupported, Nothing), (4, Unsupported, Nothing)])),
        (LockEvent::Failed(&read_only), with(vec![(2, standby(), Blocked), (4, standby(), Blocked)])),
        (LockEvent::Failed(&other), with(vec![(2, busy(), Blocked), (4, busy(), Blocked)])),
        // A second `locked` for the owner, sent whenever a waiter leaves, is no new tenure. While we steal, we have left
        // the queue that a `locked` would be about.
        (
            LockEvent::Granted,
            with(vec![(2, first.clone(), Begun), (3, first.clone(), Begun), (6, Held { tenure: 2 }, Begun)]),
        ),
        (LockEvent::Stolen, with(vec![(5, Lost, Stopped)])),
        (LockEvent::NotOwner(1), with(vec![(5, first.clone(), Contradicted)])),
        // Of an earlier tenure: we know.
        (LockEvent::NotOwner(0), same()),
        (LockEvent::Due, same()),
        (
            LockEvent::Following,
            with(vec![
                (0, follower(), Blocked),
                (1, follower(), Blocked),
                (2, follower(), GiveBack),
                (3, follower(), GiveBack),
                (4, follower(), GiveBack),
                (5, follower(), GiveBack),
                (6, follower(), GiveBack),
                (7, follower(), Blocked),
                (8, follower(), Blocked),
                (10, follower(), Blocked),
            ]),
        ),
        (
            LockEvent::Relaying,
            with(vec![
                (0, relay(), Blocked),
                (1, relay(), Blocked),
                (2, relay(), GiveBack),
                (3, relay(), GiveBack),
                (4, relay(), GiveBack),
                (5, relay(), GiveBack),
                (6, relay(), GiveBack),
                (7, relay(), Blocked),
                (8, relay(), Blocked),
                (9, relay(), Blocked),
            ]),
        ),
        (LockEvent::Leading, with(vec![(9, Requested, Ask), (10, Requested, Ask)])),
    ];
    let now = Instant::now() + ORPHANED * 2;
    for (event, row) in &table {
        for (state, expected) in states.iter().zip(row) {
            let mut lock = lock_in(state, false, now);
            let action = lock.on(event, now);
            let (after, expected) = expected.as_ref().map_or((state, &Nothing), |(after, action)| (after, action));
            assert_eq!((lock.state(), &action), (after, expected), "{event:?} in {state:?}");
        }
    }
    // Once the time has come.
    let later = now + ORPHANED.max(RETRY_MAX);
    for (state, orphaned, after, action) in [
        (Waiting, true, Stealing, Steal),
        (Waiting, false, Waiting, Nothing),
        (standby(), false, Requested, Ask),
        (follower(), false, follower(), Nothing),
        (busy(), true, Requested, Ask),
        (Requested, true, Requested, Nothing),
        (first.clone(), false, first, Nothing),
    ] {
        let mut lock = lock_in(&state, orphaned, now);
        assert_eq!(
            (lock.on(&LockEvent::Due, later), lock.state()),
            (action, &after),
            "{state:?}, orphaned: {orphaned}"
        );
        assert!(lock.due().is_none() || state == Waiting, "{state:?}");
    }
}

#[test]
fn only_who_holds_it_or_needs_none_may_write() {
    let now = Instant::now() + ORPHANED * 2;
    let busy = Refused(error("busy").to_string());
    let table = [
        (Off, true, "off"),
        (Unsupported, true, "unsupported"),
        (Held { tenure: 1 }, true, "held"),
        (Requested, false, "waiting"),
        (Waiting, false, "waiting"),
        (Stealing, false, "waiting"),
        (Lost, false, "waiting"),
        (LockState::Standby(Standby::ReadOnly), false, "standby"),
        (LockState::Standby(Standby::Follower), false, "standby"),
        (LockState::Standby(Standby::Detached), false, "standby"),
        (LockState::Standby(Standby::Relay), false, "standby"),
        (busy, false, "waiting"),
    ];
    for (state, may_write, word) in table {
        let lock = lock_in(&state, false, now);
        assert_eq!((lock.state().may_write(), lock.state().word()), (may_write, word), "{state:?}");
        assert_eq!(lock.state().obstacle("vtepd").is_none(), may_write, "{state:?}: whoever doesn't write says why");
    }
}

/// A server that refuses is asked ever more rarely, and reported once for each reason.
#[test]
fn a_refusal_is_asked_again_with_backoff() {
    let (mut lock, mut now) = (Lock::new(false), Instant::now());
    let read_only = error(READ_ONLY);
    lock.on(&LockEvent::Wanted, now);
    let mut waits = Vec::new();
    for round in 0..6 {
        let action = lock.on(&LockEvent::Failed(&read_only), now);
        assert_eq!(action, if round == 0 { LockAction::Blocked } else { LockAction::None }, "round {round}");
        let due = lock.due().unwrap();
        waits.push(due - now);
        assert_eq!(lock.on(&LockEvent::Due, due.checked_sub(RETRY_MIN / 2).unwrap()), LockAction::None, "too early");
        now = due;
        assert_eq!(lock.on(&LockEvent::Due, now), LockAction::Ask);
    }
    assert_eq!(waits, [1, 2, 4, 8, 8, 8].map(Duration::from_secs));
    assert_eq!(lock.on(&LockEvent::Failed(&error("busy")), now), LockAction::Blocked, "another reason");
    now = lock.due().unwrap();
    lock.on(&LockEvent::Due, now);
    assert_eq!(lock.on(&LockEvent::Answered(true), now), LockAction::Begun);
    assert_eq!(lock.due(), None);
}

/// Whether the next session may find the lock held by this one.
#[test]
fn a_session_that_dies_without_a_word_leaves_its_lock_behind() {
    let now = Instant::now() + ORPHANED * 2;
    for (state, orphaned, silently, left) in [
        (LockState::Held { tenure: 1 }, false, true, true),
        (LockState::Held { tenure: 1 }, false, false, false),
        // We have it back: what was left behind is ours again.
        (LockState::Held { tenure: 1 }, true, false, false),
        (LockState::Waiting, true, false, true),
        (LockState::Waiting, false, true, false),
        (LockState::Lost, false, true, false),
        (LockState::Standby(Standby::ReadOnly), true, true, true),
        // A theft is tried once.
        (LockState::Stealing, true, true, false),
    ] {
        let lock = lock_in(&state, orphaned, now);
        assert_eq!(lock.is_left_behind(silently), left, "{state:?}, orphaned: {orphaned}, silently: {silently}");
    }
    // The next session waits for it, then takes it.
    let mut lock = Lock::new(true);
    lock.on(&LockEvent::Wanted, now);
    assert_eq!(lock.on(&LockEvent::Answered(false), now), LockAction::Blocked);
    assert_eq!(lock.due(), Some(now + ORPHANED));
    assert_eq!(lock.on(&LockEvent::Due, now + ORPHANED), LockAction::Steal);
    assert_eq!(lock.on(&LockEvent::Answered(true), now + ORPHANED), LockAction::Begun);
    assert!(!lock.is_left_behind(false));
}

/// A follower that leads at last needs no lock where none is wanted.
#[test]
fn a_lock_that_is_not_wanted_is_not_asked_for_by_a_leader() {
    let (mut lock, now) = (Lock::new(false), Instant::now());
    lock.on(&LockEvent::Following, now);
    assert!(!lock.state().may_write());
    assert_eq!(lock.on(&LockEvent::Leading, now), LockAction::None);
    assert_eq!(lock.state(), &LockState::Off);
    assert!(lock.state().may_write());
}
