//! What a session wants done. Buffers are kept from one input to the next, so that a change costs no allocation here.

use std::time::Duration;

use crate::model::{Revision, event::FleetEvent};

/// See the module.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Actions {
    next_id: u64,
    requests: Vec<Request>,
    /// The parameters of the requests, one after the other.
    params: Vec<u8>,
    /// For the journal and for those who watch.
    pub(in crate::fleet) events: Vec<FleetEvent>,
    /// The database holds everything up to this revision.
    pub(in crate::fleet) confirm: Option<Revision>,
    /// How long the switch may leave a probe unanswered.
    pub(in crate::fleet) patience: Option<Duration>,
    /// The longest message that the switch may send from now on, in bytes.
    pub(in crate::fleet) max_message: Option<usize>,
    /// Rows that the switch changed since it was last charged for them.
    pub(in crate::fleet) changed_rows: usize,
    /// Answers those who asked which switches answer.
    pub(in crate::fleet) alive: Option<Vec<String>>,
    /// Certificates may expire soon.
    pub(in crate::fleet) check_certificates: bool,
}

/// A request that is to be sent. Its id counts from 0 in each session.
#[derive(Debug, Clone, Copy)]
pub(in crate::fleet) struct Request {
    pub(in crate::fleet) id: u64,
    pub(in crate::fleet) method: &'static str,
    end: usize,
}

// ===== impl Actions =====

impl Actions {
    /// Adds a request, whose parameters `write` appends as the text of a JSON array. Returns its id.
    pub(super) fn request(&mut self, method: &'static str, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        write(&mut self.params);
        self.requests.push(Request { id, method, end: self.params.len() });
        id
    }

    /// The requests that are to be sent, in their order, with their parameters.
    pub(in crate::fleet) fn requests(&self) -> impl Iterator<Item = (Request, &[u8])> {
        let mut begin = 0;
        self.requests.iter().map(move |request| {
            let params = self.params.get(begin..request.end).unwrap_or_default();
            begin = request.end;
            (*request, params)
        })
    }

    /// The requests are sent.
    pub(in crate::fleet) fn clear_requests(&mut self) {
        self.requests.clear();
        self.params.clear();
    }
}
