//! A set of fields, as a tree of the elements on the way to them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::PathElement;

/// A set of fields, each named by its path.
///
/// A path and the paths below it are different members: who owns a map does not own what
/// is in it, and the other way round.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FieldSet {
    pub(super) nodes: BTreeMap<PathElement, Node>,
}

/// What the set has at a path and below it. It is never nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::model) struct Node {
    /// Whether the path itself is a member.
    pub(in crate::model) member: bool,
    /// The members below it.
    pub(in crate::model) below: FieldSet,
}

impl Node {
    pub(in crate::model) fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds a field. The whole object is no field of its own.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((first, rest)) = path.split_first() else { return };
        // Not `entry`, which needs a key of its own also for what is there.
        if !self.nodes.contains_key(first) {
            self.nodes.insert(first.clone(), Node::default());
        }
        let Some(node) = self.nodes.get_mut(first) else { return };
        if rest.is_empty() {
            node.member = true;
        } else {
            node.below.insert(rest);
        }
    }

    /// Puts `node` at an element of the first level, unless it is empty.
    pub(in crate::model) fn put(&mut self, element: PathElement, node: Node) {
        if node.is_empty() {
            return;
        }
        match self.nodes.entry(element) {
            Entry::Vacant(place) => {
                place.insert(node);
            }
            Entry::Occupied(mut place) => {
                let there = place.get_mut();
                there.member |= node.member;
                there.below = there.below.union(&node.below);
            }
        }
    }

    /// What it has at an element of the first level.
    pub(in crate::model) fn at(&self, element: &PathElement) -> Option<&Node> {
        self.nodes.get(element)
    }

    /// The elements of the first level and what is there.
    pub(in crate::model) fn each(&self) -> impl Iterator<Item = (&PathElement, &Node)> {
        self.nodes.iter()
    }

    fn node(&self, path: &[PathElement]) -> Option<&Node> {
        let (last, before) = path.split_last()?;
        let mut set = self;
        for element in before {
            set = &set.nodes.get(element)?.below;
        }
        set.nodes.get(last)
    }

    /// Whether the field is a member.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        self.node(path).is_some_and(|node| node.member)
    }

    /// Whether the field or one that it lies in is a member.
    pub fn covers(&self, path: &[PathElement]) -> bool {
        (1..=path.len()).any(|end| self.contains(&path[..end]))
    }

    /// Whether the field or one that lies in it is a member.
    pub fn reaches(&self, path: &[PathElement]) -> bool {
        path.is_empty() && !self.is_empty() || self.node(path).is_some()
    }

    /// Every field of the two.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for (element, node) in &other.nodes {
            all.put(element.clone(), node.clone());
        }
        all
    }

    /// The fields that are not in `other`. Those below one of `other` stay.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.filtered(
            other,
            |member, other| member && !other,
            |below, other| match other {
                Some(other) => below.difference(other),
                None => below.clone(),
            },
        )
    }

    /// The fields that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.filtered(
            other,
            |member, other| member && other,
            |below, other| match other {
                Some(other) => below.intersection(other),
                None => Self::default(),
            },
        )
    }

    /// The fields that are not in `other` nor below one of it.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, node)| {
            let node = match other.nodes.get(element) {
                None => node.clone(),
                Some(gone) if gone.member => return None,
                Some(gone) => Node { member: node.member, below: node.below.without(&gone.below) },
            };
            (!node.is_empty()).then(|| (element.clone(), node))
        });
        Self { nodes: nodes.collect() }
    }

    /// The fields that have none below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let nodes = self.nodes.iter().map(|(element, node)| {
            let below = node.below.leaves();
            (element.clone(), Node { member: node.member && below.is_empty(), below })
        });
        Self { nodes: nodes.collect() }
    }

    /// The paths of all members: first those of a level, then those below it.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut all = Vec::new();
        self.collect(&mut Vec::new(), &mut all);
        all
    }

    fn collect(&self, path: &mut Vec<PathElement>, all: &mut Vec<Vec<PathElement>>) {
        for (element, node) in &self.nodes {
            if node.member {
                let mut path = path.clone();
                path.push(element.clone());
                all.push(path);
            }
        }
        for (element, node) in &self.nodes {
            path.push(element.clone());
            node.below.collect(path, all);
            path.pop();
        }
    }

    fn filtered(
        &self,
        other: &Self,
        keeps: impl Fn(bool, bool) -> bool,
        descend: impl Fn(&Self, Option<&Self>) -> Self,
    ) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, node)| {
            let there = other.nodes.get(element);
            let node = Node {
                member: keeps(node.member, there.is_some_and(|it| it.member)),
                below: descend(&node.below, there.map(|it| &it.below)),
            };
            (!node.is_empty()).then(|| (element.clone(), node))
        });
        Self { nodes: nodes.collect() }
    }
}

impl<'a> FromIterator<&'a [PathElement]> for FieldSet {
    fn from_iter<T: IntoIterator<Item = &'a [PathElement]>>(paths: T) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(path);
        }
        set
    }
}
