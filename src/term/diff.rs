//! Two texts as a unified diff, in colour where stdout shows colours.

use super::output::{Output, OutputError};
use super::style::Meaning;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// The most lines that may come and go before the texts are shown as two whole ones: finding
/// the shortest way takes the square of this.
const EDITS_MAX: usize = 4000;

/// What becomes of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Edit {
    Keep,
    Drop,
    Add,
}

/// Writes how `before` becomes `after`, under these names; nothing if they are the same.
pub fn write_diff(
    names: (&str, &str),
    before: &str,
    after: &str,
    out: &mut Output,
) -> Result<(), OutputError> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let edits = edits(&before, &after);
    let colours = out.has_colour();
    let mut line = |text: String, meaning: Option<Meaning>| {
        let text = super::clean(&text);
        match meaning.filter(|_| colours) {
            Some(meaning) => out.line(&meaning.painted(&text)),
            None => out.line(&text),
        }
    };
    let hunks = hunks(&edits);
    if hunks.is_empty() {
        return Ok(());
    }
    line(format!("--- {}", names.0), Some(Meaning::Danger))?;
    line(format!("+++ {}", names.1), Some(Meaning::Success))?;
    for Hunk { edits, first, second } in hunks {
        let count = |not: Edit| edits.iter().filter(|it| **it != not).count();
        let (old, new) = (count(Edit::Add), count(Edit::Drop));
        // An empty part begins before its first line.
        let start = |at: usize, count: usize| if count == 0 { at } else { at + 1 };
        line(
            format!("@@ -{},{old} +{},{new} @@", start(first, old), start(second, new)),
            Some(Meaning::Advice),
        )?;
        let (mut first, mut second) = (first, second);
        for edit in edits {
            match edit {
                Edit::Keep => line(format!(" {}", before[first]), None)?,
                Edit::Drop => line(format!("-{}", before[first]), Some(Meaning::Danger))?,
                Edit::Add => line(format!("+{}", after[second]), Some(Meaning::Success))?,
            }
            first += usize::from(*edit != Edit::Add);
            second += usize::from(*edit != Edit::Drop);
        }
    }
    Ok(())
}

/// Edits that stand together, and the lines of both texts that they begin at.
struct Hunk<'a> {
    edits: &'a [Edit],
    first: usize,
    second: usize,
}

fn hunks(edits: &[Edit]) -> Vec<Hunk<'_>> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (index, _) in edits.iter().enumerate().filter(|it| *it.1 != Edit::Keep) {
        let (from, to) = (index.saturating_sub(CONTEXT), (index + CONTEXT + 1).min(edits.len()));
        match ranges.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => ranges.push((from, to)),
        }
    }
    let lines = |until: usize, not: Edit| edits[..until].iter().filter(|it| **it != not).count();
    ranges
        .into_iter()
        .map(|(from, to)| Hunk {
            edits: &edits[from..to],
            first: lines(from, Edit::Add),
            second: lines(from, Edit::Drop),
        })
        .collect()
}

/// The shortest way from one text to the other, by Myers' greedy search.
fn edits(before: &[&str], after: &[&str]) -> Vec<Edit> {
    let head = before.iter().zip(after).take_while(|(one, two)| one == two).count();
    let (one, two) = (&before[head..], &after[head..]);
    let tail = one.iter().rev().zip(two.iter().rev()).take_while(|(one, two)| one == two).count();
    let (one, two) = (&one[..one.len() - tail], &two[..two.len() - tail]);
    let mut edits = vec![Edit::Keep; head];
    edits.extend(
        shortest(one, two)
            .unwrap_or_else(|| [vec![Edit::Drop; one.len()], vec![Edit::Add; two.len()]].concat()),
    );
    edits.extend(vec![Edit::Keep; tail]);
    edits
}

fn shortest(one: &[&str], two: &[&str]) -> Option<Vec<Edit>> {
    let (n, m) = (one.len(), two.len());
    let most = (n + m).min(EDITS_MAX);
    // The furthest line of `one` on each diagonal, which is counted from `most`.
    let mut reach = vec![0usize; 2 * most + 2];
    let mut steps: Vec<Vec<usize>> = Vec::new();
    for step in 0..=most {
        steps.push(reach[most - step..=most + step].to_vec());
        for diagonal in (most - step..=most + step).step_by(2) {
            let down = diagonal == most - step
                || diagonal != most + step && reach[diagonal - 1] < reach[diagonal + 1];
            let mut x = if down { reach[diagonal + 1] } else { reach[diagonal - 1] + 1 };
            // The line of `two` follows from the diagonal.
            let mut y = (x + most).checked_sub(diagonal)?;
            while x < n && y < m && one[x] == two[y] {
                (x, y) = (x + 1, y + 1);
            }
            reach[diagonal] = x;
            if x >= n && y >= m {
                return Some(back(&steps, n, m, diagonal, most, step));
            }
        }
    }
    None
}

/// Walks back from the end over what each step had reached.
fn back(
    steps: &[Vec<usize>],
    n: usize,
    m: usize,
    mut diagonal: usize,
    most: usize,
    last: usize,
) -> Vec<Edit> {
    let (mut x, mut y) = (n, m);
    let mut edits = Vec::new();
    for step in (1..=last).rev() {
        // What the step before had reached; its slice begins at its own lowest diagonal.
        let before = &steps[step];
        let at = |diagonal: usize| before.get(diagonal + step - most).copied().unwrap_or_default();
        let down = diagonal == most - step
            || diagonal != most + step && at(diagonal - 1) < at(diagonal + 1);
        let previous = if down { diagonal + 1 } else { diagonal - 1 };
        let px = at(previous);
        let py = px + most - previous;
        let start = if down { px } else { px + 1 };
        while x > start {
            edits.push(Edit::Keep);
            (x, y) = (x - 1, y - 1);
        }
        edits.push(if down { Edit::Add } else { Edit::Drop });
        (x, y) = (px, py);
        diagonal = previous;
    }
    edits.extend(vec![Edit::Keep; x.min(y)]);
    edits.reverse();
    edits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn applied(before: &[&str], after: &[&str]) -> (Vec<String>, usize) {
        let (mut x, mut y, mut changes) = (0, 0, 0);
        let mut result = Vec::new();
        for edit in edits(before, after) {
            match edit {
                Edit::Keep => {
                    assert_eq!(before[x], after[y]);
                    result.push(before[x].to_owned());
                    (x, y) = (x + 1, y + 1);
                }
                Edit::Drop => (x, changes) = (x + 1, changes + 1),
                Edit::Add => {
                    result.push(after[y].to_owned());
                    (y, changes) = (y + 1, changes + 1);
                }
            }
        }
        assert_eq!((x, y), (before.len(), after.len()));
        (result, changes)
    }

    #[test]
    fn the_way_is_the_shortest() {
        for (before, after, changes) in [
            ("", "", 0),
            ("a b c", "a b c", 0),
            ("a b c", "a x c", 2),
            ("", "a b", 2),
            ("a b", "", 2),
            ("a b c a b b a", "c b a b a c", 5),
            ("a b c d", "b c d e", 2),
        ] {
            let lines = |text: &'static str| text.split_whitespace().collect::<Vec<_>>();
            assert_eq!(applied(&lines(before), &lines(after)).1, changes, "{before} / {after}");
        }
    }

    proptest! {
        #[test]
        fn one_text_becomes_the_other(before in "[abc]{0,30}", after in "[abc]{0,30}") {
            let lines = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
            let (before, after) = (lines(&before), lines(&after));
            let of = |lines: &[String]| lines.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            let (one, two) = (of(&before), of(&after));
            let (one, two): (Vec<_>, Vec<_>) = (one.split_whitespace().collect(), two.split_whitespace().collect());
            prop_assert_eq!(applied(&one, &two).0, after);
        }
    }

    #[test]
    fn changes_stand_in_hunks_with_their_lines() {
        let before = (1..=20).map(|it| it.to_string()).collect::<Vec<_>>().join("\n") + "\n";
        let after = before.replace("\n10\n", "\nten\n").replace("20\n", "");
        let before: Vec<&str> = before.lines().collect();
        let after: Vec<&str> = after.lines().collect();
        let edits = edits(&before, &after);
        let shown: Vec<_> =
            hunks(&edits).iter().map(|it| (it.first, it.second, it.edits.len())).collect();
        assert_eq!(shown, [(6, 6, 8), (16, 16, 4)]);
    }
}
