//! What dunlin-test can check of any set of migrations, on databases without a row.

use dunlin_test::checks;
use temporal_periods::migrator;

#[tokio::test]
async fn eight_replicas_can_boot_at_once() {
    assert_eq!(checks::concurrent_boot(&migrator(), 8).await.unwrap().to_string(), "5 migrations checked");
}
