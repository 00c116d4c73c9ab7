package wire

// The numbers of the fields that are read.
const (
	// envoy.service.ext_proc.v3.ProcessingRequest
	inRequestHeaders    = 2
	inResponseHeaders   = 3
	inRequestBody       = 4
	inResponseBody      = 5
	inRequestTrailers   = 6
	inResponseTrailers  = 7
	inMetadataContext   = 8
	inAttributes        = 9
	inObservabilityMode = 10
	inProtocolConfig    = 11

	// envoy.service.ext_proc.v3.ProtocolConfiguration
	protocolRequestBody  = 1
	protocolResponseBody = 2
	protocolSendBody     = 3

	httpHeadersHeaders = 1 // envoy.service.ext_proc.v3.HttpHeaders
	headerMapHeaders   = 1 // envoy.config.core.v3.HeaderMap

	// envoy.config.core.v3.HeaderValue
	headerKey      = 1
	headerValue    = 2
	headerRawValue = 3

	// envoy.service.auth.v3.CheckRequest and what is in it
	checkAttributes          = 1
	contextRequest           = 4
	contextExtensions        = 10
	contextMetadata          = 11
	contextRouteMetadata     = 13
	contextRequestHTTP       = 2
	httpMethod               = 2
	httpHeaders              = 3
	httpPath                 = 4
	httpHost                 = 5
	httpHeaderMap            = 13
	metadataFilterMetadata   = 1 // envoy.config.core.v3.Metadata
	entryKey, entryValue     = 1, 2
	structFields             = 1 // google.protobuf.Struct
	valueNull                = 1 // google.protobuf.Value
	valueNumber, valueString = 2, 3
	valueBool                = 4
	valueStruct, valueList   = 5, 6
)

// The numbers of the fields that are written.
const (
	// envoy.service.ext_proc.v3.ProcessingResponse
	outRequestHeaders    = 1
	outResponseHeaders   = 2
	outRequestBody       = 3
	outResponseBody      = 4
	outRequestTrailers   = 5
	outResponseTrailers  = 6
	outImmediateResponse = 7
	outDynamicMetadata   = 8

	headersResponseCommon = 1 // envoy.service.ext_proc.v3.HeadersResponse
	commonHeaderMutation  = 2 // envoy.service.ext_proc.v3.CommonResponse

	// envoy.service.ext_proc.v3.HeaderMutation
	mutationSet    = 1
	mutationRemove = 2

	// envoy.service.ext_proc.v3.ImmediateResponse
	immediateStatus  = 1
	immediateHeaders = 2
	immediateDetails = 5

	httpStatusCode = 1 // envoy.type.v3.HttpStatus

	// envoy.config.core.v3.HeaderValueOption
	optionHeader       = 1
	optionAppend       = 2
	optionAppendAction = 3
	boolValue          = 1 // google.protobuf.BoolValue

	// envoy.service.auth.v3.CheckResponse and what is in it
	checkStatus          = 1
	checkDenied          = 2
	checkOK              = 3
	checkDynamicMetadata = 4
	statusCode           = 1 // google.rpc.Status
	statusMessage        = 2
	deniedStatus         = 1
	deniedHeaders        = 2
	okResponseHeaders    = 6
)

// Values of enumerations.
const (
	bodyNone               = 0 // ProcessingMode.BodySendMode
	bodyFullDuplexStreamed = 4 // and what is above is alike
	overwriteIfExistsOrAdd = 2 // HeaderValueOption.HeaderAppendAction
	rpcPermissionDenied    = 7 // google.rpc.Code
)
