import ReelkinGenerated

// The records of the package. Only records of the generated module that are listed here are public.

// MARK: Requests

public typealias GenerateRequest = ReelkinGenerated.GenerateRequest
public typealias GenerateMode = ReelkinGenerated.GenerateMode
public typealias Keyframe = ReelkinGenerated.Keyframe
public typealias EditRequest = ReelkinGenerated.EditRequest
public typealias ExtendRequest = ReelkinGenerated.ExtendRequest
public typealias ContinueRequest = ReelkinGenerated.ContinueRequest
public typealias ContinueStrategy = ReelkinGenerated.ContinueStrategy
public typealias FrameChoice = ReelkinGenerated.FrameChoice
public typealias ChainRequest = ReelkinGenerated.ChainRequest
public typealias ChainStart = ReelkinGenerated.ChainStart
public typealias AnalyzeOptions = ReelkinGenerated.AnalyzeOptions
public typealias MediaInput = ReelkinGenerated.MediaInput
public typealias FramePosition = ReelkinGenerated.FramePosition
public typealias MediaOptions = ReelkinGenerated.MediaOptions
public typealias VideoModel = ReelkinGenerated.VideoModel
public typealias Resolution = ReelkinGenerated.Resolution
public typealias AspectRatio = ReelkinGenerated.AspectRatio
public typealias Mode = ReelkinGenerated.Mode
public typealias StorageOptions = ReelkinGenerated.StorageOptions
public typealias PublicUrl = ReelkinGenerated.PublicUrl
public typealias UploadTarget = ReelkinGenerated.UploadTarget
public typealias TransportChoice = ReelkinGenerated.TransportChoice
public typealias PlanChoice = ReelkinGenerated.PlanChoice
public typealias PlannerSettings = ReelkinGenerated.PlannerSettings
public typealias PlanWhen = ReelkinGenerated.PlanWhen
public typealias PlannerFailure = ReelkinGenerated.PlannerFailure

// MARK: Client settings

public typealias Budget = ReelkinGenerated.Budget
public typealias Defaults = ReelkinGenerated.Defaults
public typealias Validation = ReelkinGenerated.Validation
public typealias PollPolicy = ReelkinGenerated.PollPolicy
public typealias DownloadPolicy = ReelkinGenerated.DownloadPolicy
public typealias RateLimit = ReelkinGenerated.RateLimit
public typealias Timeouts = ReelkinGenerated.Timeouts
public typealias AccessToken = ReelkinGenerated.AccessToken

// MARK: Results

public typealias Clip = ReelkinGenerated.Clip
public typealias ClipRecord = ReelkinGenerated.ClipRecord
public typealias ChainOutcome = ReelkinGenerated.ChainOutcome
public typealias Drift = ReelkinGenerated.Drift
public typealias ClipNotes = ReelkinGenerated.ClipNotes
public typealias SeenFrame = ReelkinGenerated.SeenFrame
public typealias TokenUsage = ReelkinGenerated.TokenUsage
public typealias Estimate = ReelkinGenerated.Estimate
public typealias JobEvent = ReelkinGenerated.JobEvent
public typealias ChainEvent = ReelkinGenerated.ChainEvent
public typealias RecoveryEvent = ReelkinGenerated.RecoveryEvent
public typealias Recovered = ReelkinGenerated.Recovered
public typealias StuckJob = ReelkinGenerated.StuckJob
public typealias QuarantinedClip = ReelkinGenerated.QuarantinedClip
public typealias VisibleModel = ReelkinGenerated.VisibleModel
public typealias Probe = ReelkinGenerated.Probe
public typealias VideoProbe = ReelkinGenerated.VideoProbe
public typealias AudioProbe = ReelkinGenerated.AudioProbe
public typealias Rotation = ReelkinGenerated.Rotation
public typealias ColorInfo = ReelkinGenerated.ColorInfo
public typealias ColorMatrix = ReelkinGenerated.ColorMatrix
public typealias ColorRange = ReelkinGenerated.ColorRange
public typealias TimeBase = ReelkinGenerated.TimeBase

// MARK: Sidecars

public typealias ReelkinRecord = ReelkinGenerated.ReelkinRecord
public typealias DeliveryReport = ReelkinGenerated.DeliveryReport
public typealias RequestedProperties = ReelkinGenerated.RequestedProperties
public typealias Delivered = ReelkinGenerated.Delivered
public typealias Finding = ReelkinGenerated.Finding
public typealias Severity = ReelkinGenerated.Severity
public typealias InputTransport = ReelkinGenerated.InputTransport
public typealias Transport = ReelkinGenerated.Transport
public typealias PictureMatch = ReelkinGenerated.PictureMatch
public typealias SeamReport = ReelkinGenerated.SeamReport
public typealias InputRecord = ReelkinGenerated.InputRecord
public typealias ParentRecord = ReelkinGenerated.ParentRecord
public typealias FrameRecord = ReelkinGenerated.FrameRecord
public typealias PlannerRecord = ReelkinGenerated.PlannerRecord
public typealias VideoFacts = ReelkinGenerated.VideoFacts
public typealias SourceSummary = ReelkinGenerated.SourceSummary
public typealias VideoLineage = ReelkinGenerated.VideoLineage
public typealias VideoSeries = ReelkinGenerated.VideoSeries
public typealias Continuity = ReelkinGenerated.Continuity
public typealias ContinuityEntry = ReelkinGenerated.ContinuityEntry
public typealias Role = ReelkinGenerated.Role
public typealias Usage = ReelkinGenerated.Usage

// MARK: The library

public typealias Page = ReelkinGenerated.Page
public typealias PageEntry = ReelkinGenerated.PageEntry
public typealias Member = ReelkinGenerated.Member
public typealias MemberState = ReelkinGenerated.MemberState
public typealias ParentLink = ReelkinGenerated.ParentLink
public typealias FoundBy = ReelkinGenerated.FoundBy
public typealias Verdict = ReelkinGenerated.Verdict
public typealias Condition = ReelkinGenerated.Condition
public typealias ClipDigest = ReelkinGenerated.ClipDigest
public typealias JobRecord = ReelkinGenerated.JobRecord
public typealias JobState = ReelkinGenerated.JobState
public typealias JobError = ReelkinGenerated.JobError
public typealias Settlement = ReelkinGenerated.Settlement
public typealias Spent = ReelkinGenerated.Spent

// MARK: Models and prices

public typealias ModelTable = ReelkinGenerated.ModelTable
public typealias ModelEntry = ReelkinGenerated.ModelEntry
public typealias ModeLimits = ReelkinGenerated.ModeLimits
public typealias LanguageModel = ReelkinGenerated.LanguageModel
public typealias Price = ReelkinGenerated.Price
public typealias PriceUnit = ReelkinGenerated.PriceUnit

// MARK: JSON

public typealias JSONValue = ReelkinGenerated.JSONValue

// MARK: Errors

public typealias VideoError = ReelkinGenerated.VideoError
public typealias ErrorDetails = ReelkinGenerated.ErrorDetails
public typealias Charge = ReelkinGenerated.Charge
public typealias RetryAdvice = ReelkinGenerated.RetryAdvice

// MARK: The sandbox

public typealias SandboxState = ReelkinGenerated.SandboxState
public typealias SandboxJob = ReelkinGenerated.SandboxJob
