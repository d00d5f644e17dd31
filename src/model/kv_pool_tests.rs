//! Blocks that sequences take, share and give back.

use super::*;
use crate::model::sites::LoraStack;
use crate::ops::attention::KvType;
use crate::tensor::Element;

const KINDS: [KvType; 3] = [KvType::Activation, KvType::F16, KvType::EightBits];
const WIDTH: usize = 32;

/// Of one layer.
fn pool(kind: KvType, tokens: usize, beyond: usize) -> KvPool {
    KvPool::new(KvForm { layers: 1, width: WIDTH, kind, beyond, device: Device::host() }, tokens).unwrap()
}

fn rows(value: f32) -> Matrix {
    Matrix::new(1, WIDTH, vec![value; WIDTH], &Device::host()).unwrap()
}

/// Writes a token whose keys and values are `value`.
fn write(pool: &mut KvPool, table: &mut BlockTable, value: f32) {
    pool.reserve(table, 1).unwrap();
    let row = table.rows(table.len() + 1).last().unwrap().end - 1;
    let placements = Placements::new(vec![(0..1, row)], 1, &Device::host()).unwrap();
    pool.store(0, [&rows(value), &rows(-value)], &placements).unwrap();
    table.advance(1);
}

fn read(pool: &mut KvPool, table: &BlockTable) -> Vec<f32> {
    fn values<E: Element>(elements: &[E]) -> Vec<f32> {
        let mut values = vec![0.0; elements.len() * E::WIDTH];
        E::to_f32(elements, &mut values);
        values
    }
    let keys = match pool.store(0, [&rows(0.0), &rows(0.0)], &Placements::default()).unwrap() {
        KeysValues::Activations([k, _]) => k.values().unwrap(),
        KeysValues::F16([k, _]) => values(k.elements()),
        KeysValues::EightBits([k, _]) => values(k.elements()),
    };
    // The scale of a block is of f16, so that not all whole numbers are themselves.
    table.rows(table.len()).into_iter().flatten().map(|row| keys[WIDTH * row].round()).collect()
}

#[test]
fn sequences_share_what_neither_writes() {
    KINDS.into_iter().for_each(sequences_share_what_neither_writes_in);
}

fn sequences_share_what_neither_writes_in(kind: KvType) {
    let mut pool = pool(kind, 2 * BLOCK, usize::MAX);
    let mut one = BlockTable::default();
    (0..BLOCK + 3).for_each(|token| write(&mut pool, &mut one, token as f32));
    assert_eq!(one.rows(one.len()), [0..BLOCK + 3], "a sequence alone has neighbouring blocks");
    let mut two = pool.fork(&one);
    assert_eq!(pool.users, [2, 2]);
    write(&mut pool, &mut two, 100.0);
    write(&mut pool, &mut one, 200.0);
    assert_eq!(pool.users, [2, 1, 1, 0], "the block that both would write is copied, the one before it is not");
    assert_eq!(read(&mut pool, &two)[BLOCK..], [64.0, 65.0, 66.0, 100.0]);
    assert_eq!(read(&mut pool, &one)[BLOCK..], [64.0, 65.0, 66.0, 200.0]);
    assert_eq!(read(&mut pool, &one)[..BLOCK], read(&mut pool, &two)[..BLOCK]);
    pool.release(&mut one);
    assert_eq!((pool.users.clone(), one.len()), (vec![1, 0, 1, 0], 0));
    let mut three = BlockTable::default();
    write(&mut pool, &mut three, 7.0);
    assert_eq!(pool.users, [1, 1, 1, 0], "blocks that were given back are taken again");
}

#[test]
fn what_is_forgotten_is_written_over() {
    let mut pool = pool(KvType::F16, 0, 8);
    let mut table = BlockTable::default();
    (0..5).for_each(|token| write(&mut pool, &mut table, token as f32));
    pool.begin(&mut table, 2, 8);
    write(&mut pool, &mut table, 9.0);
    assert_eq!(read(&mut pool, &table), [0.0, 1.0, 9.0]);
    assert!(pool.has_room(&table, BLOCK - 3) && !pool.has_room(&table, BLOCK - 2));
}

#[test]
fn what_is_rotated_otherwise_is_read_again() {
    let pool = pool(KvType::F16, 0, 8);
    let mut table = BlockTable { len: 5, reach: 6, ..BlockTable::default() };
    assert_eq!(pool.begin(&mut table, 4, 8), 4);
    assert_eq!(pool.begin(&mut table, 4, 9), 0);
    table.len = 5;
    assert_eq!(pool.begin(&mut table, 4, 20), 4);
}

/// Reads whole blocks of a prompt, each token's keys and values being its id; how many tokens were known.
fn prompt(pool: &mut KvPool, table: &mut BlockTable, stack: &LoraStack, tokens: &[u32]) -> usize {
    pool.begin(table, 0, tokens.len());
    let known = pool.known(table, stack, tokens);
    let adopted = pool.adopt(table, &known);
    table.advance(adopted);
    for block in tokens[adopted..].chunks_exact(BLOCK) {
        let mut written = BlockTable { blocks: table.blocks.clone(), len: table.len(), reach: table.reach };
        block.iter().for_each(|token| write(pool, &mut written, *token as f32));
        table.blocks = written.blocks;
        pool.remember(table, stack, block);
        table.advance(BLOCK);
    }
    adopted
}

#[test]
fn what_prompts_begin_with_is_found_again() {
    KINDS.into_iter().for_each(what_prompts_begin_with_is_found_again_in);
}

fn what_prompts_begin_with_is_found_again_in(kind: KvType) {
    let mut pool = pool(kind, 0, 10 * BLOCK);
    let (base, mut other) = (LoraStack::none(), LoraStack::none());
    other.identify([7; 32]);
    let tokens: Vec<u32> = (0..4 * BLOCK as u32).collect();
    let mut tables: Vec<BlockTable> = (0..4).map(|_| BlockTable::default()).collect();
    assert_eq!(prompt(&mut pool, &mut tables[0], &base, &tokens[..3 * BLOCK]), 0);
    // Those of another stack, and those that are rotated otherwise, are not the same.
    assert_eq!(prompt(&mut pool, &mut tables[1], &other, &tokens[..2 * BLOCK]), 0);
    tables[2].reach = 11 * BLOCK;
    assert!(pool.known(&tables[2], &base, &tokens).is_empty());
    tables.iter_mut().for_each(|table| pool.release(table));
    assert_eq!((pool.known_rows(), pool.rows() <= 10 * BLOCK), (5 * BLOCK, true));
    let branch = [&tokens[..2 * BLOCK], &tokens[..BLOCK]].concat();
    assert_eq!(prompt(&mut pool, &mut tables[2], &base, &tokens), 3 * BLOCK);
    assert_eq!(prompt(&mut pool, &mut tables[3], &base, &branch), 2 * BLOCK);
    for (table, tokens) in [(&tables[2], &tokens), (&tables[3], &branch)] {
        assert_eq!(read(&mut pool, table), tokens.iter().map(|token| *token as f32).collect::<Vec<_>>());
    }
    // Who forgets some of it and writes something else does not change what the others have.
    let mut writer = pool.fork(&tables[2]);
    pool.begin(&mut writer, 10, 4 * BLOCK);
    write(&mut pool, &mut writer, 500.0);
    assert_eq!(read(&mut pool, &writer)[9..], [9.0, 500.0]);
    assert_eq!(read(&mut pool, &tables[3])[..BLOCK], (0..BLOCK).map(|i| i as f32).collect::<Vec<_>>());
    pool.release(&mut writer);
    tables.iter_mut().for_each(|table| pool.release(table));
    pool.forget_known();
    assert!(pool.users.iter().all(|users| *users == 0), "{:?}", pool.users);
}

#[test]
fn two_that_read_the_same_keep_one() {
    let mut pool = pool(KvType::F16, 0, usize::MAX);
    let (base, tokens) = (LoraStack::none(), vec![3; BLOCK]);
    let [mut one, mut two] = [(); 2].map(|()| BlockTable::default());
    for table in [&mut one, &mut two] {
        pool.reserve(table, BLOCK).unwrap();
    }
    pool.remember(&mut one, &base, &tokens);
    pool.remember(&mut two, &base, &tokens);
    assert_eq!((&one.blocks, pool.known_rows()), (&two.blocks, BLOCK));
    assert_eq!(pool.users.iter().sum::<u32>(), 3);
    let mut long = BlockTable::default();
    let tokens = vec![5; (KNOWN + 1) * BLOCK];
    pool.reserve(&mut long, tokens.len()).unwrap();
    pool.remember(&mut long, &base, &tokens);
    assert_eq!(pool.known_rows(), BLOCK, "a prompt that is longer than all that may be kept is read by itself");
}
