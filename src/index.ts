export { circuitBreak } from '../operators/circuitBreak';
export { fallbackTo, type FallbackOptions } from '../operators/fallbackTo';
export { hedge } from '../operators/hedge';
export { limitConcurrency } from '../operators/limitConcurrency';
export { preflight } from '../operators/preflight';
export { resilient, type Protector } from '../operators/resilient';
export { retryBackoff } from '../operators/retryBackoff';
export { throttleTokens } from '../operators/throttleTokens';
export { timeoutStream } from '../operators/timeoutStream';
export { trimOverlap, type TrimOverlapOptions } from '../operators/trimOverlap';
export { verifyComplete, type VerifyConfig } from '../operators/verifyComplete';
export type { CostOptions, PriorityOptions } from '../operators/kernel/admissionOptions';
export type { FallbackCallbacks, FallbackInfo } from '../operators/kernel/FallbackRecovery';
export type { HedgeConfig } from '../operators/kernel/HedgePlan';
export type { TimeoutConfig } from '../operators/kernel/limits';
export type { ResilienceConfig, StreamOptions } from '../operators/kernel/pipeline';
export type { RuntimeOptions } from '../operators/kernel/runtime';
export type { FallbackInput } from '../operators/kernel/targets';
export { ChatRun, type ChatRunState } from './client/ChatRun';
export type { ClientSignals } from './client/ClientSignals';
export type { ChatClientConfig, ClientHedge, ProviderSettings } from './client/clientConfig';
export {
  createChatClient,
  type ChatClient,
  type ClientRequest,
  type ClientStreamOptions,
} from './client/createChatClient';
export { ResilientExecutor, type ExecutorOptions } from './client/ResilientExecutor';
export { classifyError } from './errors/classifyError';
export { ERROR_CODES, type ErrorCode, type ErrorCodeInfo, type ErrorKind } from './errors/codes';
export { FallbackExhaustedError } from './errors/FallbackExhaustedError';
export { parseRateLimit, parseRetryAfter, type HeadersLike, type RateLimitInfo } from './errors/headers';
export {
  CircuitOpenError,
  ConcurrencyLimitError,
  PreflightError,
  RateLimitExceededError,
  type PreflightFailure,
} from './errors/rejections';
export {
  DivergedStreamError,
  EmptyStreamError,
  IncompleteStreamError,
  MalformedStreamError,
  StreamTimeoutError,
  type TimeoutPhase,
} from './errors/streamErrors';
export {
  isRejected,
  isWeirError,
  ProviderError,
  RejectedError,
  WeirError,
  type AdmissionComponent,
  type WeirErrorDetails,
} from './errors/WeirError';
export type { ChatEvent, FinishReason } from './events/ChatEvent';
export { isContent, isTerminal, textOf, usageOf } from './events/defaults';
export { smoothText, type SmoothTextOptions } from './interop/smoothText';
export { toAsyncIterable, type AsyncIterableOptions } from './interop/toAsyncIterable';
export { toExternalStore, type ExternalStore, type ExternalStoreOptions } from './interop/toExternalStore';
export { toReadableStream } from './interop/toReadableStream';
export { Backpressure, type BackpressureConfig, type InflightSnapshot, type Slot } from './policies/Backpressure';
export { backoffDelay, type BackoffConfig, type Jitter, type RetryConfig, type RetryInfo } from './policies/backoff';
export {
  CircuitBreaker,
  type CircuitBreakerConfig,
  type CircuitPermit,
  type CircuitSnapshot,
  type CircuitState,
  type CircuitTransition,
} from './policies/CircuitBreaker';
export type { ErrorContext } from './policies/ErrorContext';
export { FallbackChain, type FallbackTarget } from './policies/FallbackChain';
export type { OnPartial, PartialOutput } from './policies/partial';
export {
  PreflightChecker,
  type AdmissionParts,
  AdmissionPermit,
  type PreflightReport,
} from './policies/PreflightChecker';
export { RateLimiter, type RateLimiterConfig, type RatePermit, type RateSnapshot } from './policies/RateLimiter';
export { RetryBudget, type RetryBudgetConfig } from './policies/RetryBudget';
export type { Cost } from './policies/waiting';
export { liveSignals, type LiveSignalsOptions } from './signals/liveSignals';
export type { SignalSources } from './signals/SignalsHub';
export type { SignalsSnapshot, StreamsSnapshot, UsageSnapshot } from './signals/SignalsSnapshot';
export type { Outcome, StreamEvent, Usage, WeirEvent } from './signals/WeirEvent';
export { accumulate, type ChatMessageState } from './sources/accumulate';
export type { ChatContent, ChatMessage, ChatRequest, ChatTool, ChatToolCall, ContentPart } from './sources/ChatRequest';
export type { PrefixSupport, ProviderConfig } from './sources/dialect';
export type { ResumeStrategy } from './sources/continuation';
export { fromEventStream, type FromEventStreamOptions } from './sources/fromEventStream';
export { fromStream, type FromStreamOptions, type OpenedStream, type StreamMeta } from './sources/fromStream';
export type { Environment } from './sources/processEnv';
export { registerProvider } from './sources/providers';
export { streamChat, type StreamChatOptions } from './sources/streamChat';
export { text } from './sources/text';
