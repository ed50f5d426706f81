// Live numbers: IoU of the label with the prediction from two histograms of the 256 probability levels, kept up stroke by stroke.

// The least stored probability that counts as foreground: as training.scoring.stored_probs.mask_at has it.
function levelOf(threshold) {
  return Math.ceil(threshold * 256 - 1e-9);
}

function histogram(probs, bits = null) {
  const counts = new Float64Array(256);
  if (bits) for (let i = bits.indexOf(1); i >= 0; i = bits.indexOf(1, i + 1)) counts[probs[i]]++;
  else for (let i = 0; i < probs.length; i++) counts[probs[i]]++;
  return counts;
}

// IoU at every level 0..255: inside are the label's pixels by probability, total all pixels. Both empty is agreement, 1.
function iouByLevel(inside, total) {
  const ious = new Float64Array(256);
  const area = inside.reduce((sum, count) => sum + count, 0);
  let [found, predicted] = [0, 0];
  for (let level = 255; level >= 0; level--) {
    found += inside[level];
    predicted += total[level];
    const union = area + predicted - found;
    ious[level] = union ? found / union : 1;
  }
  return ious;
}

function areaOf(bits) {
  let area = 0;
  for (let i = 0; i < bits.length; i++) area += bits[i];
  return area;
}
