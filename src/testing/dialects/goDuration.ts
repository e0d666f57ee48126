/** A time as Go prints it and OpenAI's reset headers have it: `17ms`, `7.66s`, `6m0s`, `1h2m3s`. Rounded up to a whole ms. */
export function goDuration(ms: number): string {
  const whole = Math.ceil(ms);
  if (whole < 1000) return whole === 0 ? '0s' : `${whole}ms`;
  const seconds = whole / 1000;
  const [h, m] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const s = `${Number((seconds % 60).toFixed(3))}s`;
  return h > 0 ? `${h}h${m}m${s}` : m > 0 ? `${m}m${s}` : s;
}
