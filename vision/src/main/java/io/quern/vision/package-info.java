/** Image classification: pictures, their preprocessing, models in Hugging Face layout, and how well they do. */
package io.quern.vision;
