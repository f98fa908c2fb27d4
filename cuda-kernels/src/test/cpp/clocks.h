// Who has seen what of whom: vector clocks of the threads of a block and of its mbarriers, on behalf of which copies write.
//
// Time is one counter for all, `tick`. A thread that arrives somewhere releases what it did until then; whoever waits there
// acquires it, with all that the other had acquired. An access at tick `when` by `actor` comes before what thread t does
// now if clock_seen(t, actor) > when.
#pragma once
#include <cstdint>
#include <vector>

const unsigned MOST_THREADS = 1024;
const unsigned MOST_PHASED = 64;

// Actors are threads, then mbarriers.
inline unsigned phased_actor(unsigned barrier) {
    return MOST_THREADS + barrier;
}

typedef std::vector<uint32_t> Clock;

extern uint32_t tick;
extern bool clocks_on;

// Blocks begin without clocks; the first mbarrier starts them.
void clocks_start(unsigned threads);

// What an actor's accesses that are before thread t have as an upper bound.
uint32_t clock_seen(unsigned t, unsigned actor);
// The same in a clock.
uint32_t clock_seen(const Clock &clock, unsigned actor);

void clock_release(unsigned t, Clock &to);
void clock_acquire(unsigned t, const Clock &from);
// What an mbarrier's copies wrote until now.
void clock_release_copy(unsigned barrier, Clock &to);

// Of the threads first to end - 1, each gets what all have.
void clock_meet(unsigned first, unsigned end);

// What all threads that were joined have seen; an empty clock is that of nobody yet.
void clock_least(unsigned t, Clock &least);
