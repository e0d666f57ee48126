export { DEFAULT_TEXT } from './Reply';
export type {
  Continuation,
  DialectName,
  ErrorDetail,
  ErrorFrame,
  FaultPoint,
  Reply,
  ReplyFunction,
  Script,
  ScriptRequest,
  ToolCallReply,
} from './Reply';
export { startFaultyProvider } from './startFaultyProvider';
export { FaultyProvider } from './FaultyProvider';
export type { FaultyProviderOptions } from './FaultyProviderOptions';
export type { ChanceOfFaults, FaultKind } from './drawFault';
export type { ProviderLimitsConfig } from './ProviderLimits';
export type { RequestOutcome, RequestRecord } from './Recorder';
export { planReply } from './planReply';
export type { Plan, PlanRequest, PlannedEnd, Step } from './Plan';
export { scriptedStream } from './scriptedStream';
export type {
  ScriptedStream,
  ScriptedSubscription,
  ScriptedStreamOptions,
  ScriptStep,
  StreamScript,
} from './scriptedStream';
