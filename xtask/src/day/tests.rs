use super::day;

#[test]
fn the_same_seed_makes_the_same_day() {
    assert_eq!(day(7, 20).lines, day(7, 20).lines);
    assert_ne!(day(7, 20).lines, day(8, 20).lines);
}
