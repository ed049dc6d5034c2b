use fastrand::Rng;

/// Who there is, and who contents were found for.
pub(super) struct Cast {
    pub(super) topics: i64,
    pub(super) users: i64,
    /// Those whose contents are found at random.
    others: Vec<Entity>,
}

/// A topic or a user, as contents name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) entity_type: &'static str,
    pub(super) id: i64,
}

const fn topic(id: i64) -> Entity {
    Entity { entity_type: "topic", id }
}

const fn user(id: i64) -> Entity {
    Entity { entity_type: "user", id }
}

/// It has a third of everything.
const GIANT: Entity = topic(1);
const MARKED: Entity = topic(2);
const EMPTY: [Entity; 2] = [topic(3), user(2)];
/// It has one content.
const SINGLE: Entity = topic(4);
/// Two contents of the same moment are all that it has.
pub(super) const TWINS: Entity = user(1);

impl Cast {
    /// One topic for 100 contents, and one user for 200.
    pub(super) fn of(contents: u64) -> Self {
        let of = |share: u64, least: i64, most: i64| {
            i64::try_from(contents / share).unwrap_or(most).clamp(least, most)
        };
        let (topics, users) = (of(100, 10, 2_000), of(200, 5, 1_000));
        let others = (1..=topics).map(topic).chain((1..=users).map(user));
        let others = others.filter(|one| ![GIANT, SINGLE, TWINS].contains(one) && !one.is_empty()).collect();
        Self { topics, users, others }
    }

    /// Whom the content of this number, from 0 on, was found for. The first ones are one of each kind.
    pub(super) fn entity(&self, number: u64, rng: &mut Rng) -> Entity {
        let gone = |count: i64, rng: &mut Rng| count + 1 + rng.i64(0..=count / 20);
        match number {
            0 => SINGLE,
            1 | 2 => TWINS,
            3 => MARKED,
            4 => topic(self.topics + 1),
            5 => user(self.users + 1),
            6 => GIANT,
            7 => user(3),
            _ => match rng.u8(..100) {
                0..=32 => GIANT,
                33..=34 => topic(gone(self.topics, rng)),
                35 => user(gone(self.users, rng)),
                _ => rng.choice(&self.others).copied().unwrap_or(GIANT),
            },
        }
    }
}

impl Entity {
    /// Whether it never has contents.
    fn is_empty(self) -> bool {
        EMPTY.contains(&self) || self.id > 4 && (self.id % 10 == 7 || self.id % 20 == 13)
    }

    /// Whether it is marked as deleted; some of these have contents, some have none.
    pub(super) fn is_marked(self) -> bool {
        self == MARKED || self.id > 4 && (self.id % 10 == 9 || self.id % 20 == 13)
    }
}

impl Cast {
    /// All topics that there are.
    pub(super) fn topics(&self) -> impl Iterator<Item = Entity> + use<> {
        (1..=self.topics).map(topic)
    }

    /// All users that there are.
    pub(super) fn users(&self) -> impl Iterator<Item = Entity> + use<> {
        (1..=self.users).map(user)
    }
}
