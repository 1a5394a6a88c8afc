import type { Handler, OperationId } from './handler.ts';
import { executePayment } from '../routes/gasless/executePayment.ts';
import { getAuthorizationRequest } from '../routes/gasless/getAuthorizationRequest.ts';
import { getGaslessRequest } from '../routes/gasless/getGaslessRequest.ts';
import { relayPayment } from '../routes/gasless/relayPayment.ts';
import { cancelPayment } from '../routes/payments/cancelPayment.ts';
import { createPayment } from '../routes/payments/createPayment.ts';
import { getPayment } from '../routes/payments/getPayment.ts';
import { getPaymentStatus } from '../routes/payments/getPaymentStatus.ts';
import { listPayments } from '../routes/payments/listPayments.ts';
import { listTokens } from '../routes/payments/listTokens.ts';
import { getRefundRequest } from '../routes/refunds/getRefundRequest.ts';
import { listRefunds } from '../routes/refunds/listRefunds.ts';
import { refundPayment } from '../routes/refunds/refundPayment.ts';
import { getHealth } from '../routes/service/getHealth.ts';
import { getReadiness } from '../routes/service/getReadiness.ts';
import { createWebhookEndpoint } from '../routes/webhooks/createWebhookEndpoint.ts';
import { deleteWebhookEndpoint } from '../routes/webhooks/deleteWebhookEndpoint.ts';
import { listWebhookEndpoints } from '../routes/webhooks/listWebhookEndpoints.ts';

/**
 * operationId → handler. An operation of openapi.yaml without one, or one of no operation, does not
 * compile.
 */
export const OPERATIONS: { readonly [Id in OperationId]: Handler<Id> } = {
  createPayment,
  listPayments,
  getPayment,
  getPaymentStatus,
  cancelPayment,
  listTokens,
  getGaslessRequest,
  relayPayment,
  getAuthorizationRequest,
  executePayment,
  getRefundRequest,
  refundPayment,
  listRefunds,
  createWebhookEndpoint,
  listWebhookEndpoints,
  deleteWebhookEndpoint,
  getHealth,
  getReadiness,
};
