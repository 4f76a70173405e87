use super::*;

impl Key for String {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

fn keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("key-{n}"))
}

fn numbered(count: usize) -> Trie<String, usize> {
    let mut trie = Trie::new();
    keys(count).enumerate().for_each(|(n, key)| assert_eq!(trie.insert(key, n), None));
    trie
}

#[test]
fn what_was_inserted_is_found_until_it_is_removed() {
    for count in [0, 1, LEAF, LEAF + 1, 10_000] {
        let mut trie = numbered(count);
        assert_eq!((trie.len(), trie.iter().count()), (count, count));
        for (n, key) in keys(count).enumerate() {
            let (slot, value) = trie.find(key.as_bytes()).unwrap();
            assert_eq!((*value, trie.at(slot)), (n, Some(&n)));
            assert_eq!(trie.insert(key, n + 1), Some(n));
        }
        assert_eq!(trie.get(b"no key"), None);
        for (n, key) in keys(count).enumerate() {
            assert_eq!(trie.remove(key.as_bytes()), Some(n + 1));
            assert_eq!((trie.remove(key.as_bytes()), trie.get(key.as_bytes())), (None, None));
        }
        assert!(trie.is_empty() && matches!(trie.root, Child::Empty), "{count}");
    }
}

#[test]
fn another_version_does_not_change() {
    let mut trie = numbered(5_000);
    let before = trie.clone();
    for key in keys(2_500) {
        trie.remove(key.as_bytes());
    }
    for (n, key) in keys(5_000).enumerate().skip(2_500) {
        *trie.get_mut(key.as_bytes()).unwrap() = n + 1;
    }
    trie.insert("new".to_owned(), 0);
    assert_eq!((before.len(), trie.len()), (5_000, 2_501));
    assert!(keys(5_000).enumerate().all(|(n, key)| before.get(key.as_bytes()) == Some(&n)));
    let changed = |(n, key): (usize, String)| trie.get(key.as_bytes()) == Some(&(n + 1));
    assert!(keys(5_000).enumerate().skip(2_500).all(changed));
}

#[test]
fn versions_share_all_but_what_changed_and_free_it_with_the_last_of_them() {
    let value = Arc::new(());
    let mut trie = Trie::new();
    keys(10_000).for_each(|key| drop(trie.insert(key, Arc::clone(&value))));
    let own = Arc::strong_count(&value);
    let before = trie.clone();
    assert_eq!(Arc::strong_count(&value), own, "a version alone copies no leaf");
    trie.insert("key-77".to_owned(), Arc::clone(&value));
    assert!(Arc::strong_count(&value) <= own + LEAF, "a change copies one leaf");
    drop(before);
    assert_eq!(Arc::strong_count(&value), own);
    drop(trie);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn keys_whose_hashes_agree_in_all_bits_share_a_leaf() {
    let hasher = RandomState::new();
    let mut child: Child<String, usize> = Child::Empty;
    for (n, key) in keys(100).enumerate() {
        // As if there were no bits left to tell them apart.
        let hash = hasher.hash_one(key.as_bytes());
        assert_eq!(child.insert(&hasher, hash, HASH_BITS, key, n), None);
    }
    for (n, key) in keys(100).enumerate().step_by(3) {
        let hash = hasher.hash_one(key.as_bytes());
        assert_eq!(child.remove(&hasher, hash, HASH_BITS, key.as_bytes()), Some((key, n)));
    }
    let Child::Leaf(leaf) = &child else { panic!("it was split") };
    for (n, key) in keys(100).enumerate() {
        let found = leaf.find(hasher.hash_one(key.as_bytes()), key.as_bytes());
        assert_eq!(found.map(|(_, value)| *value), (n % 3 != 0).then_some(n));
    }
}
