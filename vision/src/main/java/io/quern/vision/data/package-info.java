/** Pictures from files: decoding, the data sets that training reads, augmentation and batches. */
package io.quern.vision.data;
