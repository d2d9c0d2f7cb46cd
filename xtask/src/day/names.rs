//! Names of people and of nobody.

use super::scene::Scene;

/// How many people have a mailbox here.
const PEOPLE: u64 = 400;

/// An account that exists.
pub fn account(scene: &mut Scene) -> String {
    format!("u{}", scene.random.below(PEOPLE))
}

/// All accounts that exist.
pub fn accounts() -> impl Iterator<Item = String> {
    (0..PEOPLE).map(|person| format!("u{person}"))
}

/// A recipient that nobody is. Another each time: word lists are long.
pub fn recipient(scene: &mut Scene) -> String {
    let word = scene
        .random
        .one_of(&["info", "sales", "j.smith", "admin", "office", "anna"]);
    format!("{word}{}@example.org", scene.random.below(90_000))
}

/// What those who guess logins try: names of roles, of systems, of people. Most lists are several hundred names long; the
/// words here stand for its sorts, and a half comes with a number.
pub fn guess(scene: &mut Scene) -> String {
    let word = scene.random.one_of(&[
        "info",
        "admin",
        "sales",
        "contact",
        "support",
        "office",
        "test",
        "user",
        "scan",
        "noreply",
        "hr",
        "service",
        "marketing",
        "webmaster",
        "postmaster",
        "root",
        "administrator",
        "guest",
        "backup",
        "oracle",
        "postgres",
        "mysql",
        "ftpuser",
        "nagios",
        "www-data",
        "demo",
        "john",
        "anna",
        "michael",
        "david",
        "maria",
        "peter",
    ]);
    match scene.random.below(2) {
        0 => format!("{word}{}", scene.random.below(1_000)),
        _ => word.to_owned(),
    }
}
