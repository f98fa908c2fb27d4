/** Models on disk: folders in Hugging Face layout, and where Hugging Face's cache keeps them. */
package io.quern.transformer.hub;
