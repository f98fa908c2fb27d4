package io.quern.cli;

/** The learning-rate schedules that {@code --schedule} names; small letters, as people write them. */
enum ScheduleKind {
    constant,
    linear,
    cosine,
    step,
    exponential,
    inverse_sqrt,
    wsd,
    plateau
}
