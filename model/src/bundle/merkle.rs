//! The tree over the hosts of a bundle, as RFC 6962 builds it: a leaf for each host, in the order of the bundle, so that
//! one host can be proven by a short path without the others.

use super::Digest;

/// What a parent is made of; leaves are made otherwise, so that none passes for the other.
fn node(left: Digest, right: Digest) -> Digest {
    Digest::of(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The largest power of two that is smaller than a number of at least 2.
fn split(leaves: usize) -> usize {
    1 << (leaves - 1).ilog2()
}

/// The root over these leaves; without any, the digest of nothing.
pub(super) fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(root(left), root(right))
        }
    }
}

/// What is needed beside a leaf to get to the root, from the leaf upwards; `None` where there is no such leaf.
pub(super) fn path(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut path_up, other) =
        if index < at { (path(left, index)?, root(right)) } else { (path(right, index - at)?, root(left)) };
    path_up.push(other);
    Some(path_up)
}

/// The root that a leaf and its path give; `None` where the path does not have the length that it should.
pub(super) fn climb(leaf: Digest, index: u64, leaves: u64, path: &[Digest]) -> Option<Digest> {
    if index >= leaves {
        return None;
    }
    let Some((&top, below)) = path.split_last() else { return (leaves == 1).then_some(leaf) };
    if leaves < 2 {
        return None;
    }
    let at = 1u64 << (leaves - 1).ilog2();
    Some(if index < at {
        node(climb(leaf, index, at, below)?, top)
    } else {
        node(top, climb(leaf, index - at, leaves - at, below)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u32) -> Vec<Digest> {
        (0..count).map(|n| Digest::of(&[&n.to_le_bytes()])).collect()
    }

    #[test]
    fn every_leaf_of_every_tree_can_be_proven_and_no_other_in_its_place() {
        for count in 1..=20 {
            let leaves = leaves(count);
            let top = root(&leaves);
            for (index, &leaf) in leaves.iter().enumerate() {
                let way = path(&leaves, index).unwrap();
                let up = |leaf, index: usize| climb(leaf, index as u64, u64::from(count), &way);
                assert_eq!(up(leaf, index), Some(top));
                assert_ne!(up(Digest::of(&[b"other"]), index), Some(top));
                for elsewhere in (0..leaves.len()).filter(|&other| other != index) {
                    assert_ne!(up(leaf, elsewhere), Some(top), "{index} of {count} as {elsewhere}");
                }
                assert_eq!(climb(leaf, index as u64, u64::from(count), &[&way[..], &[top]].concat()), None);
            }
            assert_eq!(path(&leaves, leaves.len()), None);
        }
    }

    #[test]
    fn the_tree_is_that_of_rfc_6962() {
        let l = leaves(3);
        assert_eq!(root(&l), node(node(l[0], l[1]), l[2]));
        assert_eq!(root(&[]), Digest::of(&[]));
    }
}
