use super::*;

#[test]
fn a_new_endpoint_has_a_growing_share_unless_all_are_new() {
    for (balance, key) in all_balances() {
        let mut members = members(4);
        members[3].since_ms = 10_000;
        let choosing = Choosing { slow_start_ms: 1_000, ..Choosing::by(balance, 1) };
        let set = EndpointSet::new(members, choosing);
        let share = |now_ms| {
            let asked =
                |n: u64| Asked { key: key.map(|_| key::spin(n)), ..asked(now_ms, key::spin(n)) };
            let chosen = (0..4_000).filter_map(|n| set.choose(&asked(n), &Tried::new()));
            chosen.filter(|choice| choice.index == 3).count()
        };
        let (early, late, full) = (share(10_000), share(10_500), share(11_000));
        assert!((20..250).contains(&early), "{early}");
        assert!((early + 100..900).contains(&late), "{late}");
        assert!((850..1_150).contains(&full), "{full}");
        let new = EndpointSet::new(
            self::members(2),
            Choosing { slow_start_ms: 1_000, ..Choosing::by(Balance::RoundRobin, 1) },
        );
        let chosen = (0..100).filter_map(|n| new.choose(&asked(1, n), &Tried::new()));
        assert_eq!(chosen.filter(|choice| choice.index == 0).count(), 50);
    }
}

#[test]
fn where_all_are_new_they_share_by_weight_and_by_how_new_they_are() {
    for (balance, key) in all_balances() {
        let shares = |came: [u64; 3], now_ms| {
            let mut members = members(3);
            members.iter_mut().zip(came).for_each(|(member, came)| member.since_ms = came);
            members[2].weight = 2;
            let choosing = Choosing { slow_start_ms: 1_000, ..Choosing::by(balance.clone(), 1) };
            let set = EndpointSet::new(members, choosing);
            let mut shares = [0u32; 3];
            for n in 0..8_000 {
                let asked = Asked { key: key.map(|_| key::spin(n)), ..asked(now_ms, key::spin(n)) };
                shares[set.choose(&asked, &Tried::new()).expect("one is fit").index] += 1;
            }
            shares
        };
        let near = |got: [u32; 3], want: [u32; 3]| {
            let is_near = got.iter().zip(want).all(|(got, want)| got.abs_diff(want) < 350);
            assert!(is_near, "{balance}: {got:?}, not {want:?}");
        };
        // Just come, all of them, at once or within a moment: by weight.
        near(shares([500; 3], 500), [2_000, 2_000, 4_000]);
        near(shares([500, 510, 520], 900), [2_000, 2_000, 4_000]);
        near(shares([0; 3], 5_000), [2_000, 2_000, 4_000]);
        // None is whole yet, and one is a fifth of what the others are.
        if balance != Balance::LeastRequests {
            near(shares([0, 400, 0], 500), [2_500, 500, 5_000]);
        }
        let [_, new, _] = shares([0, 400, 0], 500);
        assert!((100..900).contains(&new), "{balance}: {new}");
    }
}

#[test]
fn new_endpoints_of_a_zone_are_spared_by_their_own_zone_alone() {
    let mut members = members(4);
    // Both near ones have just come, the far ones are old.
    members[0].since_ms = 10_000;
    members[1].since_ms = 10_000;
    members[2].near = false;
    members[3].near = false;
    let choosing = Choosing { slow_start_ms: 1_000, ..Choosing::by(Balance::RoundRobin, 1) };
    let set = EndpointSet::new(members, choosing);
    let chosen = (0..100).filter_map(|n| set.choose(&asked(10_000, n), &Tried::new()));
    assert!(chosen.map(|choice| choice.index).all(|index| index < 2));
}
