//! The page in a headless Chromium, which `checks.mjs` looks at and works with.

mod chromium;
mod site;

use axum::Router;
use axum::routing::get;
use dunlin_axum::migrations;

use crate::browser::chromium::Browser;
use crate::browser::site::site;
use crate::support::{self, Held, serve};

/// Every kind of snapshot, light and dark, on a desk and on a phone of 360 pixels: nothing to be said by axe, nothing to be scrolled
/// sideways, no error in the console.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_accessible_and_fits_a_phone() {
    let Some(browser) = Browser::find().await else { return };
    browser.check("scenes", &serve(site()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_says_what_the_snapshot_says() {
    let Some(browser) = Browser::find().await else { return };
    browser.check("contents", &serve(site()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_change_the_page_and_leave_focus_scroll_position_and_open_details() {
    let Some(browser) = Browser::find().await else { return };
    browser.check("live", &serve(site()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_has_lost_its_stream_says_so_and_finds_it_again() {
    let Some(browser) = Browser::find().await else { return };
    browser.check("lost", &serve(site()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_javascript_is_complete_and_loads_itself_again() {
    let Some(browser) = Browser::find().await else { return };
    browser.check("plain", &serve(site()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_reached_with_the_keyboard() {
    let Some(browser) = Browser::find().await else { return };
    browser.check("keyboard", &serve(site()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_not_run_and_the_policy_lets_nothing_else_run() {
    let Some(browser) = Browser::find().await else { return };
    browser.check("hostile", &serve(site()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_printed_page_shows_what_is_folded_away() {
    let Some(browser) = Browser::find().await else { return };
    browser.check("print", &serve(site()).await).await;
}

/// No snapshot of a test's, but a start: the page is open when it becomes ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_a_real_start_becomes_ready_by_itself() {
    let Some(browser) = Browser::find().await else { return };
    let held = std::sync::Arc::new(Held::start().await);
    let go_on = {
        let held = std::sync::Arc::clone(&held);
        get(async move || held.go_on())
    };
    let app = Router::new().nest("/internal", migrations(&held.startup)).route("/go-on", go_on);
    browser.check("start", &serve(app).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_a_real_failure_says_which_migration_and_why() {
    let Some(browser) = Browser::find().await else { return };
    let (startup, _database) = support::failed().await;
    let app = Router::new().nest("/internal", migrations(&startup));
    browser.check("failure", &serve(app).await).await;
}
