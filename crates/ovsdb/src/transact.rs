//! What became of a transaction (RFC 7047 section 4.1.3).

use uuid::Uuid;

use super::{
    json::{Cursor, JsonError, ValueKind},
    message::{RpcError, words},
};

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out; that the transaction was committed, only [`Reply::committed`] says.
    Done {
        /// Rows that `update`, `mutate` or `delete` matched.
        count: Option<i64>,
        /// The row that `insert` made.
        uuid: Option<Uuid>,
    },
    /// It failed, and with it the transaction.
    Failed {
        /// The error's name: "constraint violation".
        error: String,
        /// What the server says besides.
        details: Option<String>,
    },
    /// An operation before it had failed.
    NotRun,
}

/// The result of a `transact` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// One for each operation, in their order.
    pub outcomes: Vec<Outcome>,
    /// Every operation was carried out, but not their sum: the server says so with one element more than there were
    /// operations ("referential integrity violation").
    pub commit: Option<RpcError>,
}

/// Where a transaction failed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionFailure<'a> {
    /// Index of the operation at fault; `None`: the commit failed, and no operation is known to be at fault.
    pub operation: Option<usize>,
    /// The error's name.
    pub error: &'a str,
    /// What the server says besides.
    pub details: Option<&'a str>,
}

impl Reply {
    /// Reads the result of a transaction of this many `operations`.
    pub fn read(cursor: &mut Cursor<'_>, operations: usize) -> Result<Self, JsonError> {
        let mut outcomes = Vec::with_capacity(operations.min(4096));
        let mut commit = None;
        cursor.array(|value| {
            if outcomes.len() < operations {
                outcomes.push(outcome(value)?);
            } else if commit.is_none() {
                commit = Some(RpcError::read(value)?);
            } else {
                return Err(value.expected("no more results than operations"));
            }
            Ok(())
        })?;
        // A reply that stops at the failed operation means the same as one that goes on with nulls.
        outcomes.resize(operations, Outcome::NotRun);
        Ok(Self { outcomes, commit })
    }

    /// Whether all of it is in the database now.
    pub fn committed(&self) -> bool {
        self.commit.is_none() && self.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. }))
    }

    /// The first failure, if there is one.
    pub fn failure(&self) -> Option<TransactionFailure<'_>> {
        let failed = self.outcomes.iter().enumerate().find_map(|(i, outcome)| match outcome {
            Outcome::Failed { error, details } => {
                Some(TransactionFailure { operation: Some(i), error, details: details.as_deref() })
            }
            _ => None,
        });
        let commit = self.commit.as_ref();
        failed.or_else(|| {
            commit.map(|RpcError { error, details }| TransactionFailure {
                operation: None,
                error,
                details: details.as_deref(),
            })
        })
    }
}

/// `{}`, `{"count": n}`, `{"uuid": […]}`, `{"rows": […]}`, `{"error": …, "details": …}` or null.
fn outcome(value: &mut Cursor<'_>) -> Result<Outcome, JsonError> {
    if value.null() {
        return Ok(Outcome::NotRun);
    }
    let (mut count, mut uuid) = (None, None);
    let (mut error, mut details) = (None, None);
    value.object(|key, value| {
        match key {
            "count" => count = Some(value.integer()?),
            "uuid" => uuid = Some(value.uuid()?),
            "error" => error = Some(words(&value.string()?)),
            "details" if value.peek()? == ValueKind::String => details = Some(words(&value.string()?)),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(match error {
        Some(error) => Outcome::Failed { error, details },
        None => Outcome::Done { count, uuid },
    })
}

#[cfg(test)]
mod tests;
