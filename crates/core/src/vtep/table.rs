//! How a table of `hardware_vtep` is declared: [`tables!`] is the macro, [`super::tables`] has the declarations.

use std::marker::PhantomData;

use super::{
    budget::{Budget, BudgetExcess},
    replica::Replica,
};

/// When a table is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Always, and we can't work without it.
    Always,
    /// Where plumgrid.ini has `bfd = on`.
    Bfd,
    /// Where plumgrid.ini has `manager_targets`.
    Managers,
    /// Where the schema has it.
    #[allow(dead_code, reason = "for the next table that is a mere extra")]
    IfPresent,
}

/// What a schema may lack: since which version it is there, and what is lost without it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lack {
    pub(super) since: &'static str,
    pub(super) cost: &'static str,
}

/// A column, for the request of a monitor.
#[derive(Debug)]
pub(super) struct ColumnSpec {
    pub(super) name: &'static str,
    /// `None`: every version of the schema has it.
    pub(super) lack: Option<Lack>,
    /// Whether it is asked for, or just missed where it is absent.
    pub(super) read: bool,
}

/// A table, for the request of a monitor.
#[derive(Debug)]
pub(super) struct TableSpec {
    pub(super) name: &'static str,
    pub(super) need: Need,
    /// What is lost without it; `None` with [`Need::Always`].
    pub(super) lack: Option<Lack>,
    pub(super) columns: &'static [ColumnSpec],
}

/// The names of the columns of a row, one function a field: `ColumnName::<LogicalSwitch>::tunnel_key()`.
#[derive(Debug)]
pub struct ColumnName<Row>(PhantomData<Row>);

/// A declared table, as a type: for [`super::write`], which knows by it what a row of the table may hold.
pub(super) trait Declared {
    /// What its rows hold.
    type Row;
    /// The name in the schema.
    const NAME: &'static str;
    /// The begin of an operation that inserts a row.
    const INSERT: &'static str;
    /// The same up to the first column, for a row without a name.
    const INSERT_ROW: &'static str;
}

/// Whether a table has no more rows than its limit.
pub(super) fn check(
    table: &'static str,
    (replica, budget): (&Replica, &Budget),
    rows: impl FnOnce(&Replica) -> usize,
    limit: impl FnOnce(&Budget) -> usize,
) -> Result<(), BudgetExcess> {
    let limit = limit(budget);
    if rows(replica) > limit { Err(BudgetExcess::Rows { table, limit }) } else { Ok(()) }
}

/// Declares the tables that are followed. One block has the columns of a row, and the tables that have such rows:
///
/// ```text
/// tables! {
///     /// A port's counters.                         the documentation of the row's type
///     row Counters {
///         /// `port`.
///         port: Option<Uuid> = "port", read reference;
///         /// `label`; older schemas have none.
///         label: String = "label", read text, write text(&str), since "1.7" or "counters have no name";
///     }
///     unread { "other_config", since "1.5.1" or "what is lost where the schema lacks it, though we don't read it"; }
///     table PortCounters = "Port_Counters", needed IfPresent since "1.7" or "counters can't be shown",
///         kept in counters, limit |_| 4096, reasons { Update: "differs from the port" };
/// }
/// ```
///
/// - A column is `field: type = "column"`. `read` names a function of `vtep/read.rs`, `fn(&mut type, &mut Cursor)`. The field keeps
///   its `Default` where the column is absent. `write` names a function of `vtep/write.rs` and the type that it takes.
/// - `since … or …` makes a column (or a table) optional: where the schema lacks it, it isn't asked for, and the text says what is
///   lost. A column without it is one that every version of the schema has.
/// - `needed` is a variant of [`Need`].
/// - `kept in map` keeps the rows as they are, by `_uuid`, and makes `Replica::map()` to read them; `Touched::tables` says when one
///   changed. `kept by method, rows count` hands them to a method of [`Replica`], `fn(Uuid, Option<&mut Row>, &mut Touched)`, for tables
///   with indexes; `count` is a function that counts them.
/// - `limit` is a closure that says how many rows one switch may have us keep.
/// - `reasons` are the words for people in a plan and in the journal: why a row of the table is inserted, updated or deleted, where
///   `plan::explain` knows nothing better.
///
/// From that come: the struct of the row, its decoder ([`super::decode`]), the encoder of its written columns ([`super::write`]), the
/// enum `Table`, what the `monitor` asks for and what the schema lacks ([`super::columns`]), and the check of the limits.
macro_rules! tables {
    ($(
        $(#[$row_meta:meta])*
        row $Row:ident {
            $(
                $(#[$meta:meta])*
                $field:ident: $type:ty = $column:literal, read $read:ident
                $(, write $write:ident($written:ty))?
                $(, since $since:literal or $cost:literal)?;
            )*
        }
        $(unread { $($unread:literal, since $unread_since:literal or $unread_cost:literal;)* })?
        $(
            table $Table:ident = $table:literal, needed $need:ident $(since $table_since:literal or $table_cost:literal)?,
            kept $(by $set:ident, rows $rows:expr,)? $(in $map:ident,)?
            limit $limit:expr
            $(, reasons { $($action:ident: $reason:literal),* $(,)? })?;
        )+
    )*) => {
        /// The tables that are followed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table {
            $($(#[doc = concat!("`", $table, "`")] $Table,)+)*
        }

        impl Table {
            /// The table of this name, if it is one of ours.
            pub(super) fn of(name: &[u8]) -> Option<Self> {
                $($(if name == $table.as_bytes() {
                    return Some(Self::$Table);
                })+)*
                None
            }

            /// Its name in the schema.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$Table => $table,)+)*
                }
            }

            /// Why a plan does this to a row of the table, for people.
            #[must_use]
            pub const fn reason(self, action: Action) -> &'static str {
                match (self, action) {
                    $($($($((Self::$Table, Action::$action) => $reason,)*)?)+)*
                    _ => "",
                }
            }

            /// Takes a row; `None`: it was deleted.
            #[inline]
            pub(super) fn take(
                self,
                replica: &mut Replica,
                uuid: Uuid,
                row: Option<&mut Cursor<'_>>,
                touched: &mut Touched,
            ) -> Result<(), JsonError> {
                match self {
                    $($(Self::$Table => {
                        // Read in place and handed on by reference: a row of Ucast_Macs_Remote is 64 bytes, and there are many.
                        let mut read = $Row::default();
                        let row = match row {
                            Some(cursor) => {
                                read.read(cursor)?;
                                Some(&mut read)
                            }
                            None => None,
                        };
                        $(replica.$set(uuid, row, touched);)?
                        $(
                            match row {
                                Some(row) => replica.plain.$map.insert(uuid, std::mem::take(row)),
                                None => replica.plain.$map.remove(&uuid),
                            };
                            touched.tables.insert(self);
                        )?
                    })+)*
                }
                Ok(())
            }

            /// Whether all tables keep within the budget.
            pub(super) fn check_all(replica: &Replica, budget: &Budget) -> Result<(), BudgetExcess> {
                $($(
                    $(table::check($table, (replica, budget), $rows, $limit)?;)?
                    $(table::check($table, (replica, budget), |replica| replica.plain.$map.len(), $limit)?;)?
                )+)*
                Ok(())
            }
        }

        /// The tables, for the request of a monitor.
        pub(super) const SPECS: &[TableSpec] = &[$($(TableSpec {
            name: $table,
            need: Need::$need,
            lack: tables!(@lack $($table_since, $table_cost)?),
            columns: $Row::COLUMNS,
        },)+)*];

        /// Rows in which nothing is searched, as they are.
        #[derive(Debug, Default)]
        pub(super) struct PlainRows {
            $($($($map: BTreeMap<Uuid, $Row>,)?)+)*
        }

        impl Replica {
            $($($(
                #[doc = concat!("The rows of ", $table, ".")]
                pub fn $map(&self) -> impl Iterator<Item = (Uuid, &$Row)> {
                    self.plain.$map.iter().map(|(uuid, row)| (*uuid, row))
                }
            )?)+)*
        }

        $(
            $(#[$row_meta])*
            #[derive(Debug, Clone, Default, PartialEq, Eq)]
            pub struct $Row {
                $($(#[$meta])* pub $field: $type,)*
            }

            impl $Row {
                const COLUMNS: &'static [ColumnSpec] = &[
                    $(ColumnSpec { name: $column, lack: tables!(@lack $($since, $cost)?), read: true },)*
                    $($(ColumnSpec {
                        name: $unread,
                        lack: tables!(@lack $unread_since, $unread_cost),
                        read: false,
                    },)*)?
                ];

                #[inline]
                fn read(&mut self, row: &mut Cursor<'_>) -> Result<(), JsonError> {
                    row.members(|column, value| {
                        $(if column == $column.as_bytes() {
                            return read::$read(&mut self.$field, value);
                        })*
                        value.skip()
                    })
                }
            }

            impl ColumnName<$Row> {
                $(
                    #[doc = concat!("`", $column, "`")]
                    #[must_use]
                    pub const fn $field() -> &'static str {
                        $column
                    }
                )*
            }

            impl RowWriter<'_, $Row> {
                $($(
                    /// Writes the column; `None` leaves it out.
                    #[inline]
                    pub(super) fn $field(self, value: Option<$written>) -> Self {
                        self.column(concat!(",\"", $column, "\":"), value, write::$write)
                    }
                )?)*
            }
        )*

        /// The tables as types.
        #[allow(dead_code, reason = "operations name those that we write")]
        pub(super) mod declared {
            use super::super::table::Declared;

            $($(
                pub(in crate::vtep) struct $Table;

                impl Declared for $Table {
                    type Row = super::$Row;
                    const NAME: &'static str = $table;
                    const INSERT: &'static str = concat!(r#"{"op":"insert","table":""#, $table, r#"","#);
                    const INSERT_ROW: &'static str = concat!(r#"{"op":"insert","table":""#, $table, r#"","row":{"#);
                }
            )+)*
        }
    };
    (@lack) => {
        None
    };
    (@lack $since:literal, $cost:literal) => {
        Some(Lack { since: $since, cost: $cost })
    };
}

pub(super) use tables;
