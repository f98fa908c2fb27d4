/**
 * Training: a loop over batches with validation, checkpoints and exact resume.
 *
 * <p>A character model on a text, from nothing to a folder that loads:
 *
 * <pre>{@code
 * int[] ids = text.chars().toArray();
 * TokenDataset.Split data = TokenDataset.of(ids).split(0.9);
 * int batch = 12, time = 64;
 * long steps = 2000, seed = 1337;
 *
 * try (MyModel model = new MyModel(Init.gpt2(seed, 4));
 *         AdamW adamW = new AdamW(ParamGroup.decayMatrices(model, 0.1), 0.9, 0.95, 1e-8);
 *         EventLog log = new EventLog(out.resolve("log.jsonl"))) {
 *     Trainer<Batch> trainer = Trainer.of(
 *                     model,
 *                     b -> Losses.crossEntropy(model.forward(b.inputs()), b.targets()),
 *                     data.train().randomCrops(batch, time, seed),
 *                     adamW,
 *                     Schedule.cosine(1e-3, 1e-4, steps - 100).warmup(100))
 *             .steps(steps)
 *             .seed(seed)
 *             .clip(1.0)
 *             .validate(data.validation().windows(batch, time), 20, 250)
 *             .checkpoint(out, folder -> model.save(folder), 250)
 *             .listen(log)
 *             .listen(Progress.onStderr(10));
 *     if (Files.exists(out.resolve(Trainer.STATE_FILE))) {
 *         trainer.resume(out.resolve(Trainer.STATE_FILE));
 *     }
 *     TrainResult result = trainer.run();
 *     System.out.println("validation loss " + result.bestLoss());
 * }
 * }</pre>
 */
package io.quern.train;
