/// How the migrations of a run are divided into transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionPolicy {
    /// Each migration is its own transaction: what was applied before a failure stays.
    #[default]
    PerMigration,
    /// The whole run is one transaction: a failure leaves nothing. Migrations outside a transaction are refused, and
    /// an enum value can't be used by a later migration of the run that added it.
    AllOrNothing,
}
