import { parseAbi } from 'viem';

/** The part of the payment gateway that a customer calls, and why it may refuse. */
export const gatewayAbi = parseAbi([
  'struct PaymentTerms { bytes32 salt; address token; uint256 amount; address merchant; uint48 expiresAt; }',
  'function pay(PaymentTerms terms)',
  'error PaymentAlreadyProcessed(bytes32 paymentId, address payer)',
  'error PaymentExpired(bytes32 paymentId, uint48 expiresAt, uint256 timestamp)',
  'error PayerIsMerchant(address payer)',
]);
