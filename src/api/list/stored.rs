//! Lists of tables that are too large to be read whole: filters, order and window become the store's.

use std::{future::Future, str::FromStr};

use super::{Filter, Key, ListQuery, Resource, Window, attributes, send, window};
use crate::{
    api::{
        answer::{Answer, PAGE, Source},
        problem::Problem,
    },
    service::{Cell, Column, Condition, Selection, Service},
};

/// A resource whose rows the store looks through.
pub(in crate::api) trait Stored: Resource<Row: Sync> {
    /// Its columns.
    type Column: Column + Send + Sync + 'static;

    /// Attributes that all rows share.
    const SHARED: &'static [&'static str];

    /// The column behind an attribute.
    fn column(attribute: &str) -> Option<Self::Column>;

    /// What a filter's text is in that column; `None`: no row has such a value.
    fn cell(attribute: &str, text: &str) -> Option<Cell>;

    /// The condition that an attribute without a column of its own comes to.
    fn derived(attribute: &str, wanted: &[String]) -> Option<Condition<Self::Column>> {
        let _ = (attribute, wanted);
        None
    }

    /// A condition that at least all rows meet which match a filter that has no column: the filter itself is applied to
    /// the rows that come back.
    fn narrowed(attribute: &str, wanted: &[String]) -> Option<Condition<Self::Column>> {
        let _ = (attribute, wanted);
        None
    }

    /// The row of the table.
    fn stored(row: &Self::Row) -> &<Self::Column as Column>::Row;

    /// The rows of a selection.
    fn read(
        service: &Service,
        selection: &Selection<Self::Column>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, Problem>> + Send;
}

/// The cell of a value that the table holds as `T` writes it.
pub(in crate::api) fn written_as<T: FromStr + ToString>(text: &str) -> Option<Cell> {
    text.parse::<T>().ok().map(|value| Cell::Text(value.to_string()))
}

/// A list; `always` holds of its rows beside what is asked for.
pub(in crate::api) async fn stored<R: Stored>(
    service: Service,
    mut query: ListQuery,
    always: Option<Condition<R::Column>>,
) -> Answer {
    query.check_order(R::SORTABLE)?;
    let mut rows = Rows::<R>::of(service, &mut query, always);
    if !rows.shared_holds(&mut query.filter).await? {
        return send::<R>(query.fields, Vec::new().into_iter(), Vec::new()).await;
    }
    rows.filter = std::mem::take(&mut query.filter);
    let Window { limit, reverse, .. } = query.window;
    if let Some(marker) = &query.window.marker {
        // Without a limit there is nothing to be counted from the marker backwards: all rows before it, in their order.
        rows.begin(marker, reverse && limit.is_none()).await?;
    }
    let Some(limit) = limit else { return send::<R>(query.fields, rows, Vec::new()).await };
    // One more tells whether there is a neighbour.
    let mut page = rows.take(limit + 1).await?;
    let beyond = page.len() > limit;
    page.truncate(limit);
    if reverse {
        page.reverse();
    }
    let links = window::links::<R>(&query, &page, beyond);
    send::<R>(query.fields, page.into_iter(), links).await
}

/// The rows that match, read page by page.
struct Rows<R: Stored> {
    service: Service,
    /// What the store looks for; `None`: all was read.
    selection: Option<Selection<R::Column>>,
    /// What it can't look for.
    filter: Filter,
    /// Rows that were read and not sent yet.
    read: std::vec::IntoIter<R::Row>,
}

/// Rows that are read at a time once a list turns out to be long. With a condition the store sorts all rows that meet
/// it for each page, so that many short pages of a large network would cost as much as its square.
const LONG_PAGE: usize = 8 * PAGE;

impl<R: Stored> Rows<R> {
    fn of(service: Service, query: &mut ListQuery, always: Option<Condition<R::Column>>) -> Self {
        let Window { limit, reverse, .. } = query.window;
        let mut selection = Selection { reverse: reverse && limit.is_some(), ..Selection::default() };
        selection.conditions.extend(always);
        query.filter.split(|attribute, wanted| {
            if let Some(condition) = R::derived(attribute, wanted) {
                selection.conditions.push(condition);
                return true;
            }
            let Some(column) = R::column(attribute) else {
                selection.conditions.extend(R::narrowed(attribute, wanted));
                return false;
            };
            let cells = wanted.iter().filter_map(|text| R::cell(attribute, text)).collect();
            selection.conditions.push(Condition::Among(column, cells));
            true
        });
        let column = |Key { attribute, descending }: &Key| Some((R::column(attribute)?, *descending));
        // What all rows share puts none before another.
        selection.order = query.order.iter().filter_map(column).collect();
        Self { service, selection: Some(selection), filter: Filter::default(), read: Vec::new().into_iter() }
    }

    /// Whether the conditions hold on what all rows share: then they are done with.
    async fn shared_holds(&self, filter: &mut Filter) -> Result<bool, Problem> {
        let mut shared = Filter::default();
        filter.split(|attribute, wanted| {
            let is_shared = R::SHARED.contains(&attribute);
            for value in wanted.iter().filter(|_| is_shared) {
                shared.add(attribute.to_owned(), value.clone());
            }
            is_shared
        });
        if shared.is_empty() {
            return Ok(true);
        }
        let any = R::read(&self.service, &Selection { limit: Some(1), ..Selection::default() }).await?;
        Ok(any.first().is_some_and(|row| shared.matches(&attributes::<R>(row))))
    }

    /// Begins after the marker, or ends before it.
    async fn begin(&mut self, marker: &str, ends: bool) -> Result<(), Problem> {
        let id = R::cell("id", marker).ok_or_else(|| R::missing(marker.to_owned()))?;
        let only = Condition::Among(<R::Column as Column>::ID, vec![id]);
        let rows = R::read(&self.service, &Selection { conditions: vec![only], ..Selection::default() }).await?;
        let row = rows.first().ok_or_else(|| R::missing(marker.to_owned()))?;
        match &mut self.selection {
            Some(selection) if ends => selection.end_before(R::stored(row)),
            Some(selection) => selection.go_on_after(R::stored(row)),
            None => {}
        }
        Ok(())
    }

    /// At most this many of the rows.
    async fn take(&mut self, count: usize) -> Result<Vec<R::Row>, Problem> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let wanted = if self.filter.is_empty() { count - taken.len() } else { PAGE };
            let Some(mut rows) = self.page(wanted.min(PAGE)).await? else { break };
            rows.truncate(count - taken.len());
            taken.append(&mut rows);
        }
        Ok(taken)
    }

    /// The next rows that match, of about this many that are read.
    async fn page(&mut self, length: usize) -> Result<Option<Vec<R::Row>>, Problem> {
        while let Some(mut selection) = self.selection.take() {
            selection.limit = u32::try_from(length).ok();
            let mut rows = R::read(&self.service, &selection).await?;
            if let (Some(last), true) = (rows.last(), rows.len() >= length) {
                selection.go_on_after(R::stored(last));
                self.selection = Some(selection);
            }
            if !self.filter.is_empty() {
                rows.retain(|row| self.filter.matches(&attributes::<R>(row)));
            }
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}

impl<R: Stored> Source for Rows<R> {
    type Row = R::Row;

    async fn next(&mut self) -> Result<Option<Vec<R::Row>>, Problem> {
        if self.read.len() == 0 {
            let conditions = self.selection.as_ref().is_some_and(|selection| !selection.conditions.is_empty());
            let begun = self.selection.as_ref().is_some_and(|selection| selection.after.is_some());
            let length = if conditions && begun { LONG_PAGE } else { PAGE };
            match self.page(length).await? {
                Some(rows) => self.read = rows.into_iter(),
                None => return Ok(None),
            }
        }
        Ok(Some(self.read.by_ref().take(PAGE).collect()))
    }
}
